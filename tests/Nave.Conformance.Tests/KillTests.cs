using Nave.Conformance.Tests.Harness;
using Nave.Tests;

namespace Nave.Conformance.Tests;

/// <summary>What was acknowledged survives SIGKILL, in order per device.</summary>
public sealed class KillTests
{
    private const int Kills = 20;
    private const int Devices = 8;
    private const int AcknowledgedBeforeEachKill = 300;
    private const int Partitions = 4;

    [Fact]
    [Conformance("events-endpoint", 8)]
    [Conformance("messaging-semantics", 15)]
    public async Task Every_acknowledged_message_is_read_back_in_order_after_each_of_twenty_kills()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);
        var devices = new List<RawDevice>();
        for (var i = 0; i < Devices; i++)
        {
            devices.Add(new RawDevice(hub, await hub.CreateDeviceAsync($"kill-{i}", stopping)));
        }

        var reader = new EventsReader(hub, Partitions);
        var stored = devices.ToDictionary(device => device.Id, _ => new List<int>());
        for (var kill = 0; kill < Kills; kill++)
        {
            await SendAndKillAsync(hub, devices, stopping);
            await hub.StartAgainAsync(stopping);
            foreach (var (device, body, _) in await reader.ReadNewAsync())
            {
                stored[device].Add(int.Parse(body, System.Globalization.CultureInfo.InvariantCulture));
            }

            foreach (var device in devices)
            {
                var lost = device.Acknowledged.Except(stored[device.Id]).ToList();
                Assert.True(lost.Count == 0, $"Kill {kill}: {device.Id} lost {lost.Count} acknowledged messages, first {lost.FirstOrDefault()}.");
                Assert.Equal(stored[device.Id].Order(), stored[device.Id]);
            }
        }

        Assert.True(devices.Sum(device => device.Acknowledged.Count) >= Kills * AcknowledgedBeforeEachKill);
    }

    private static async Task SendAndKillAsync(OutsideHub hub, List<RawDevice> devices, CancellationToken stopping)
    {
        var enough = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var acknowledged = 0;
        var sending = devices.Select(device => device.SendUntilCutAsync(Count, stopping)).ToArray();
        await Task.WhenAny(enough.Task, Task.WhenAll(sending)).WaitAsync(TimeSpan.FromSeconds(60), stopping);
        Assert.True(enough.Task.IsCompleted, $"All devices were cut after {acknowledged} acknowledgements:\n{hub.Output}");
        await hub.KillAsync(stopping);
        await Task.WhenAll(sending);

        void Count()
        {
            if (Interlocked.Increment(ref acknowledged) == AcknowledgedBeforeEachKill)
            {
                enough.SetResult();
            }
        }
    }
}
