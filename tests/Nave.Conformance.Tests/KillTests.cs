using System.Collections.Concurrent;
using Amqp;
using Nave.Conformance.Tests.Harness;
using Nave.Protocol.Access;
using Nave.Tests;

namespace Nave.Conformance.Tests;

/// <summary>What was acknowledged survives SIGKILL, in order per device.</summary>
public sealed class KillTests
{
    private const int Kills = 20;
    private const int Devices = 8;
    private const int AcknowledgedBeforeEachKill = 300;
    private const int Partitions = 4;
    private const int AmqpKills = 5;
    private const int AmqpWindow = 20;

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
            devices.Add(RawDevice.Of(hub, await hub.CreateDeviceAsync($"kill-{i}", stopping)));
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

    [Fact]
    [Conformance("device-amqp", 10)]
    public async Task Every_message_that_was_accepted_over_AMQP_is_read_back_after_each_kill()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);
        var ids = Enumerable.Range(0, 4).Select(i => $"amqp-kill-{i}").ToList();
        var keys = new Dictionary<string, string>();
        foreach (var id in ids)
        {
            keys[id] = (await hub.CreateDeviceAsync(id, stopping)).Split("SharedAccessKey=")[1];
        }

        var reader = new EventsReader(hub, Partitions);
        var stored = new HashSet<string>();
        var accepted = new ConcurrentQueue<string>();
        for (var kill = 0; kill < AmqpKills; kill++)
        {
            var before = accepted.Count;
            var enough = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var sending = ids.Select(id => SendUntilCutAsync(hub, id, keys[id], $"{id} {kill}", accepted, Check)).ToArray();
            await Task.WhenAny(enough.Task, Task.WhenAll(sending)).WaitAsync(TimeSpan.FromSeconds(60), stopping);
            Assert.True(enough.Task.IsCompleted, $"All devices were cut too early:\n{hub.Output}");
            await hub.KillAsync(stopping);
            await Task.WhenAll(sending);
            await hub.StartAgainAsync(stopping);
            stored.UnionWith((await reader.ReadNewAsync()).Select(e => e.Body));
            Assert.Empty(accepted.Except(stored));

            void Check()
            {
                if (accepted.Count >= before + AcknowledgedBeforeEachKill)
                {
                    enough.TrySetResult();
                }
            }
        }
    }

    private static async Task SendUntilCutAsync(
        OutsideHub hub, string id, string key, string prefix, ConcurrentQueue<string> accepted, Action check)
    {
        var token = SasToken.Mint($"{hub.Address}/devices/{id}", key, TimeProvider.System.GetUtcNow().AddHours(1));
        await using var door = await AmqpDoor.OpenAsync(hub, id, token);
        var next = 0;
        await Task.WhenAll(Enumerable.Range(0, AmqpWindow).Select(_ => SendAsync()));

        async Task SendAsync()
        {
            while (!door.Ended.IsCompleted)
            {
                var body = $"{prefix} {Interlocked.Increment(ref next)}";
                try
                {
                    await Task.WhenAny(door.SendAsync(body), door.Ended).Unwrap();
                }
                catch (Exception e) when (e is AmqpException or IOException or ObjectDisposedException or OperationCanceledException)
                {
                    return; // The kill.
                }

                if (!door.Ended.IsCompleted)
                {
                    accepted.Enqueue(body);
                    check();
                }
            }
        }
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
