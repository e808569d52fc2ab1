using Nave.Conformance.Tests.Harness;
using Nave.Tests;

namespace Nave.Conformance.Tests;

/// <summary>The events endpoint, judged by three generations of Event Hubs clients (spec/events-endpoint.md).</summary>
public sealed class EventsEndpointTests
{
    [Fact]
    [Conformance("events-endpoint", 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 20, 23, 24, 27, 28)]
    public Task The_current_client_finds_every_row_right() =>
        RunAsync("events-c.mjs", [1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 20, 23, 24, 27, 28]);

    [Fact]
    [Conformance("events-endpoint", 5, 16, 18, 32)]
    public Task The_client_of_2019_reads_by_its_own_string_and_through_the_redirect() => RunAsync("events-b.cjs", [5, 16]);

    [Fact]
    [Conformance("events-endpoint", 7, 14, 17)]
    public Task The_client_of_2016_reads_by_plain_and_through_the_redirect() => RunAsync("events-a.cjs", [7, 14, 17]);

    private static async Task RunAsync(string script, int[] rows)
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping, "--dev");
        var results = await NodeClient.RunAsync(
            hub,
            script,
            TimeSpan.FromMinutes(4),
            new Dictionary<string, string>
            {
                ["NAVE_DEVICE"] = await hub.CreateDeviceAsync("conformance-1", stopping),
                ["NAVE_WEBSOCKET"] = "1",
                ["NAVE_PLAIN"] = "1",
            },
            stopping);

        NodeClient.AssertRows(results, null, rows);
    }
}
