using System.CommandLine;
using System.Globalization;

namespace Nave.Bench.Scenarios;

/// <summary>Options of the scenarios that send at a rate, latency counted from the moment each message was due.</summary>
internal sealed class RateOptions(double rate, int connections, int window)
{
    // A server that does not keep up is late, which the figures say; only what is lost is an error.
    private static readonly TimeSpan LongestLateness = TimeSpan.FromSeconds(30);

    private readonly Option<double> _rate = new("--rate") { Description = "messages a second, evenly spread over all connections", DefaultValueFactory = _ => rate };
    private readonly Option<int> _connections = new("--connections") { Description = "connections", DefaultValueFactory = _ => connections };
    private readonly Option<int> _payload = new("--payload") { Description = "payload bytes", DefaultValueFactory = _ => 256 };
    private readonly Option<bool> _tls = new("--tls") { Description = "TLS (the floor stays plain)" };

    public void AddTo(Command command)
    {
        command.Options.Add(_rate);
        command.Options.Add(_connections);
        command.Options.Add(_payload);
        command.Options.Add(_tls);
    }

    public double Rate(ParseResult parsed) => parsed.GetValue(_rate) is > 0 and var given ? given : throw new FormatException("a rate is more than 0");

    /// <summary>One case: this rate. <paramref name="judge"/> gets the case's name.</summary>
    public ComparisonPlan Plan(
        string scenario, ParseResult parsed, Func<string, IReadOnlyList<ScenarioRow>, DiskReport, IEnumerable<Demand>> judge)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"{Rate(parsed):N0}/s from {parsed.GetValue(_connections):N0}");
        string[] arguments =
        [
            "--rate", Text(Rate(parsed)),
            "--connections", Text(parsed.GetValue(_connections)),
            "--payload", Text(parsed.GetValue(_payload)),
            "--window", Text(window),
            "--drain", Text(LongestLateness.TotalSeconds),
        ];
        var settings = new Dictionary<string, string>
        {
            ["QoS"] = "1",
            ["messages a second"] = Text(Rate(parsed)),
            ["connections"] = Text(parsed.GetValue(_connections)),
            ["payload bytes"] = Text(parsed.GetValue(_payload)),
            ["transport"] = parsed.GetValue(_tls) ? "TLS, floor plain" : "plain TCP",
        };

        // The demands are for the usual load over plain TCP; another one has none.
        var isJudged = !parsed.GetValue(_tls) && parsed.GetValue(_payload) is 256 && parsed.GetValue(_connections) == connections
            && Rate(parsed).Equals(rate);
        return new ComparisonPlan(
            scenario, [new ScenarioCase(name, arguments)], parsed.GetValue(_connections), parsed.GetValue(_tls), settings,
            (rows, disk) => isJudged ? judge(name, rows, disk) : []);
    }

    private static string Text(IFormattable number) => number.ToString(null, CultureInfo.InvariantCulture);
}
