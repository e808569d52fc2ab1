using Nave.Conformance.Tests.Harness;
using Nave.Tests;

namespace Nave.Conformance.Tests;

/// <summary>The main job, with clients that know nothing of Nave.</summary>
public sealed class MainJobTests
{
    [Fact]
    [Conformance("device-mqtt", 15, 32)]
    [Conformance("events-endpoint", 3, 5, 8)]
    [Conformance("sdk-gotchas", 2)]
    public async Task A_thousand_messages_of_the_device_SDK_are_read_by_the_event_hubs_SDK_with_everything_right()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);
        var devices = new List<string>();
        foreach (var id in new[] { "main-1", "main.2", "Main_3", "main-4" })
        {
            devices.Add(await hub.CreateDeviceAsync(id, stopping));
        }

        var rows = await NodeClient.RunAsync(
            hub, "main-job.mjs", TimeSpan.FromMinutes(3), new Dictionary<string, string> { ["NAVE_DEVICES"] = string.Join('\n', devices) }, stopping);

        NodeClient.AssertRows(rows, null, 1, 2, 3, 4);
    }
}
