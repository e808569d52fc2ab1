using System.CommandLine;
using System.Globalization;

namespace Nave.Bench.Scenarios;

/// <summary><c>ingest</c>: QoS 1 telemetry as fast as acknowledgements come, Nave beside its peers and the floor.</summary>
internal sealed class IngestCommand
{
    private const string JudgedCase = "window 10";

    private readonly Option<string> _windows = new("--windows")
    {
        Description = "unacknowledged publishes a connection, one case each",
        DefaultValueFactory = _ => "1,10,100",
    };

    private readonly Option<int> _connections = Number("--connections", "connections", 100);
    private readonly Option<int> _payload = Number("--payload", "payload bytes", 256);
    private readonly Option<bool> _tls = new("--tls") { Description = "TLS (the floor stays plain)" };

    public static Command Create()
    {
        var options = new IngestCommand();
        var command = new Command("ingest", "QoS 1 ingest: Nave beside mosquitto and the bare loop, in one run")
        {
            options._windows, options._connections, options._payload, options._tls,
        };
        var comparison = new Comparison(command, "nave,mosquitto,mqttnet,floor", warmUp: 2, duration: 3);
        command.SetAction((parsed, stopping) => comparison.RunAsync(parsed, () => options.Plan(parsed), stopping));
        return command;
    }

    /// <summary>Rows 1 and 2.</summary>
    public static IEnumerable<Demand> Judge(IReadOnlyList<ScenarioRow> rows)
    {
        var nave = rows.Of(NavePeer.PeerName, JudgedCase);
        if (nave is null)
        {
            yield break;
        }

        var (mosquitto, mqttNet, floor) =
            (rows.Of(MosquittoPeer.PeerName, JudgedCase), rows.Of(MqttNetPeer.PeerName, JudgedCase), rows.Of(FloorPeer.PeerName, JudgedCase));
        yield return new Demand(
            1, "acknowledged a second",
            Bar.AtLeast(nave.AcknowledgedPerSecond, 3, MosquittoPeer.PeerName, mosquitto?.AcknowledgedPerSecond),
            Bar.AtLeast(nave.AcknowledgedPerSecond, 0.6, FloorPeer.PeerName, floor?.AcknowledgedPerSecond));
        yield return new Demand(
            1, "acknowledged a second", Bar.AtLeast(nave.AcknowledgedPerSecond, 5, MqttNetPeer.PeerName, mqttNet?.AcknowledgedPerSecond));
        yield return new Demand(
            2, "CPU a message",
            Bar.AtMost(nave.ServerCpuSecondsPerMillion, 0.45, MosquittoPeer.PeerName, mosquitto?.ServerCpuSecondsPerMillion),
            Bar.AtMost(nave.ServerCpuSecondsPerMillion, 3, FloorPeer.PeerName, floor?.ServerCpuSecondsPerMillion));
    }

    private ComparisonPlan Plan(ParseResult parsed)
    {
        var isJudged = parsed.GetValue(_connections) is 100 && parsed.GetValue(_payload) is 256 && !parsed.GetValue(_tls);
        return new ComparisonPlan(
            "ingest",
            [.. parsed.GetValue(_windows)!.Split(',').Select(window => Case(parsed, Window(window)))],
            parsed.GetValue(_connections),
            parsed.GetValue(_tls),
            Settings(parsed),
            (rows, _) => isJudged ? Judge(rows) : []);
    }

    private ScenarioCase Case(ParseResult parsed, int window) => new(
        $"window {window}",
        [
            "--connections", Text(parsed.GetValue(_connections)),
            "--payload", Text(parsed.GetValue(_payload)),
            "--window", Text(window),
        ]);

    private Dictionary<string, string> Settings(ParseResult parsed) => new()
    {
        ["QoS"] = "1",
        ["connections"] = Text(parsed.GetValue(_connections)),
        ["payload bytes"] = Text(parsed.GetValue(_payload)),
        ["transport"] = parsed.GetValue(_tls) ? "TLS, floor plain" : "plain TCP",
    };

    private static int Window(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var window) && window is > 0 and <= ushort.MaxValue
            ? window
            : throw new FormatException($"a window is 1 to 65535, not \"{text}\"");

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static Option<int> Number(string name, string description, int value) =>
        new(name) { Description = description, DefaultValueFactory = _ => value };
}
