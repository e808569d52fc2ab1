using System.Text.Json.Nodes;
using Nave.Conformance.Tests.Harness;
using Nave.Tests;

namespace Nave.Conformance.Tests;

/// <summary>Quotas and throttles as the unmodified Node SDKs meet them (spec/messaging-semantics.md 3), with small numbers.</summary>
public sealed class QuotaTests
{
    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    [Fact]
    [Conformance("messaging-semantics", 18)]
    [Conformance("service-rest", 34)]
    public async Task Registry_calls_beyond_a_tiers_rate_are_ThrottlingErrors_after_the_burst()
    {
        await using var hub = await OutsideHub.StartAsync(Stopping, "--set", "Quota:Tier=S1");

        var rows = await RunAsync(hub, "tier");

        NodeClient.AssertRows(rows, "messaging-semantics", 18);
        NodeClient.AssertRows(rows, "service-rest", 34);
        var registry = await LimitAsync(hub, "registryOperations");
        Assert.Equal("100/min", (string?)registry["limit"]);
        Assert.True((long)registry["passed"]! >= 100 && (long)registry["delayed"]! > 0 && (long)registry["refused"]! > 0, registry.ToJsonString());
    }

    [Fact]
    [Conformance("device-http", 16)]
    public async Task What_is_over_a_rate_is_refused_as_each_transport_can()
    {
        await using var hub = await OutsideHub.StartAsync(
            Stopping, "--set", "Quota:TelemetrySends=2/min", "--set", "Quota:TwinReads=1/min", "--set", "Quota:CommandSends=1/min", "--set", "Quota:MaxDelay=0s");

        var rows = await RunAsync(hub, "rates");

        NodeClient.AssertRows(rows, "device-http", 16);
        Assert.Equal(["amqp", "commands", "device-http", "mqtt", "twin"], rows.Select(row => row.Spec!).Order());
        var why = (await NaveTool.RunAsync(hub, Stopping, "why", "amqp")).Done();
        Assert.Contains("over the limit of device-to-cloud sends: 2/min (no tier, Quota:TelemetrySends)", why);
        Assert.Contains("nave quota show", why);
    }

    [Fact]
    public async Task A_burst_passes_and_what_comes_then_waits_for_its_turn()
    {
        await using var hub = await OutsideHub.StartAsync(Stopping, "--set", "Quota:TelemetrySends=4/s");

        var rows = await RunAsync(hub, "shaped");

        Assert.Equal(["Amqp", "Mqtt"], rows.Select(row => row.Spec!).Order());
        var bodies = (await new EventsReader(hub, partitions: 4).ReadNewAsync()).ConvertAll(e => e.Body);
        foreach (var transport in new[] { "Mqtt", "Amqp" })
        {
            // Each once, and in order.
            Assert.Equal(Enumerable.Range(0, 10).Select(i => $"{transport}-{i}"), bodies.Where(body => body.StartsWith(transport, StringComparison.Ordinal)));
        }
    }

    [Fact]
    [Conformance("messaging-semantics", 16, 17)]
    public async Task A_used_up_day_refuses_messages_and_outlives_a_kill_and_registry_calls_go_on()
    {
        await using var hub = await OutsideHub.StartAsync(Stopping, "--set", "Quota:DailyMessages=12");

        var rows = await RunAsync(hub, "day");

        NodeClient.AssertRows(rows, "messaging-semantics", 16, 17);
        var text = (await NaveTool.RunAsync(hub, Stopping, "quota", "show")).Done();
        Assert.Contains("exhausted", text);
        var day = await DayAsync(hub);
        Assert.Equal((12, 12, 0, "exhausted"), ((int)day["limit"]!, (int)day["used"]!, (int)day["left"]!, (string?)day["state"]));

        // Written within five seconds of the last message, which the tool alone has taken by now, or soon.
        await WaitForWriteAsync(hub);
        await hub.KillAsync(Stopping);
        await hub.StartAgainAsync(Stopping);
        Assert.Equal(12, (int)(await DayAsync(hub))["used"]!);
    }

    private static Task<IReadOnlyList<RowResult>> RunAsync(OutsideHub hub, string part) => NodeClient.RunAsync(
        hub, "quotas.mjs", TimeSpan.FromMinutes(2), new Dictionary<string, string> { ["NAVE_PART"] = part }, Stopping);

    private static async Task<JsonNode> QuotaAsync(OutsideHub hub) =>
        JsonNode.Parse((await NaveTool.RunAsync(hub, Stopping, "quota", "show", "--json")).Done())!;

    private static async Task<JsonNode> DayAsync(OutsideHub hub) => (await QuotaAsync(hub))["day"]!;

    private static async Task<JsonNode> LimitAsync(OutsideHub hub, string operation) =>
        (await QuotaAsync(hub))["limits"]!.AsArray().Single(limit => (string?)limit!["operation"] == operation)!;

    private static async Task WaitForWriteAsync(OutsideHub hub)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Stopping);
        deadline.CancelAfter(TimeSpan.FromSeconds(30));
        using var poll = new PeriodicTimer(TimeSpan.FromMilliseconds(200));
        while ((int?)(await DayAsync(hub))["unwritten"] != 0)
        {
            await poll.WaitForNextTickAsync(deadline.Token);
        }
    }
}
