using System.CommandLine;
using System.Text.Json;
using Nave.Bench.Load;
using Nave.Bench.Scenarios;

namespace Nave.Bench.Tests.Scenarios;

/// <summary><c>bench connections</c>: a tiny run, and what is concluded from its rows.</summary>
public sealed class ConnectionsTests
{
    [Fact]
    public async Task A_tiny_run_reports_memory_and_connects_of_both_transports()
    {
        var root = new RootCommand { ConnectionsCommand.Create() };
        var (output, errors) = (new StringWriter(), new StringWriter());

        await root.Parse("connections --connections 20 --rounds 1 --settle 0 --peers kestrel --json").InvokeAsync(
            new InvocationConfiguration { Output = output, Error = errors }, TestContext.Current.CancellationToken);

        Assert.True(output.ToString() is { Length: > 0 }, errors.ToString());
        var report = JsonDocument.Parse(output.ToString()).RootElement;
        var rows = report.GetProperty("rows").EnumerateArray().ToList();
        Assert.Equal(["plain", "tls"], rows.Select(row => row.GetProperty("transport").GetString()));
        Assert.All(rows, row =>
        {
            Assert.Equal(0, row.GetProperty("errors").GetInt64());
            Assert.True(row.GetProperty("coldConnectsPerSecond").GetProperty("median").GetDouble() > 0);
            Assert.True(row.GetProperty("warmConnectsPerSecond").GetProperty("median").GetDouble() > 0);
        });
        Assert.Empty(report.GetProperty("demands").EnumerateArray()); // Twenty connections prove nothing.
    }

    [Fact]
    public void Rows_7_to_9_are_judged_by_the_peers_of_the_run()
    {
        ConnectionsRun[] runs =
        [
            Run("nave", "plain", bytes: 7000, cpu: 0.16, rate: 100), Run("mqttnet", "plain", bytes: 13_000, cpu: 0.1, rate: 100),
            Run("kestrel", "plain", bytes: 5000, cpu: 0.1, rate: 100),
            Run("nave", "tls", bytes: 46_000, cpu: 1, rate: 850), Run("kestrel", "tls", bytes: 42_000, cpu: 1, rate: 1000),
            Run("mosquitto", "tls", bytes: 15_000, cpu: 1, rate: 800),
        ];

        var demands = ConnectionsCommand.Judge(ConnectionsRow.Of(runs)).ToList();

        Assert.Equal([7, 8, 8, 7, 9], demands.Select(demand => demand.Row));
        Assert.Equal([true, true, true, true, false], demands.Select(demand => demand.Must.IsMet!.Value));
        Assert.Equal([false, false, false, false, true], demands.Select(demand => demand.Aim!.IsMet!.Value));
    }

    private static ConnectionsRun Run(string peer, string transport, long bytes, double cpu, double rate)
    {
        var latency = new LatencyReport(1, 1, 1, 1, 1, 1);
        var load = new LoadReport(
            "x", 1, 256, 10, null, 0, 10, 10, rate, latency, 1, 0, 0, latency, 0, 0, 0, 0, null, 1, 0,
            new ServerReport(1, 0, cpu, 1000, 1000 + bytes, 1000 + (bytes * 10)));
        return new ConnectionsRun(peer, transport, 1, load, load);
    }
}
