using Amqp;
using Nave.Hub.Devices;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Amqp;

/// <summary>Many devices on one connection: what befalls one is nobody else's business (spec/device-amqp.md 4.6).</summary>
public sealed class AmqpMultiplexingTests
{
    private const int Count = 500;

    [Fact]
    [Conformance("device-amqp", 7, 9, 24, 30)]
    public async Task Five_troubled_devices_of_five_hundred_leave_the_others_without_an_error()
    {
        await using var hub = await DeviceHub.StartAsync();
        var devices = await Task.WhenAll(Enumerable.Range(0, Count).Select(i => hub.CreateAsync($"dev-{i}")));
        await using var client = await AmqpDeviceClient.ConnectAsync(hub);
        Assert.All(await client.PutTokensAsync([.. devices.Skip(1).Select(device => hub.DeviceToken(device))]), status => Assert.Equal(200, status));
        Assert.Equal(200, await client.PutTokenAsync(hub.DeviceToken(devices[0], TimeSpan.FromSeconds(3))));
        var expiring = await AttachAsync(client, devices[0]);
        var senders = await Task.WhenAll(devices.Skip(1).Select(device => AttachAsync(client, device)));
        var (disabled, oversized, misled, stolen) = (senders[0], senders[1], senders[2], senders[3]);
        var bystanders = senders[4..];

        var sending = Task.WhenAll(bystanders.Select(SendFourAsync));
        await hub.SetEnabledAsync(devices[1], false);
        Assert.Equal("amqp:link:message-size-exceeded", (await oversized.SendAsync(new string('x', 300_000)))?.Condition);
        var wrong = await client.SenderAsync("/devices/dev-3/nothing/such", session: misled.Link.Session);
        Assert.Equal("amqp:not-found", await wrong.ClosedAsync());
        await using var thief = await AmqpDeviceClient.ConnectDeviceAsync(hub, devices[4]);
        Assert.Null(await (await thief.SenderAsync("/devices/dev-4/messages/events")).SendAsync("mine now"));

        Assert.Equal("amqp:unauthorized-access", await disabled.ClosedAsync());
        Assert.Equal("amqp:link:stolen", await stolen.ClosedAsync());
        Assert.Equal("amqp:unauthorized-access", await expiring.ClosedAsync());
        Assert.Null(await oversized.SendAsync("smaller"));
        Assert.Null(await misled.SendAsync("still here"));
        Assert.All(await sending, outcomes => Assert.All(outcomes, Assert.Null));

        // And after all of it.
        Assert.All(await Task.WhenAll(bystanders.Select(SendFourAsync)), outcomes => Assert.All(outcomes, Assert.Null));
        Assert.DoesNotContain(bystanders, sender => sender.IsClosed);
        await using var reader = await AmqpDeviceClient.ConnectPolicyAsync(hub, "service");
        var events = await reader.EventsAsync();
        var counts = new Dictionary<object, int>();
        for (var i = 0; i < (bystanders.Length * 8) + 3; i++)
        {
            var device = (await events.NextAsync()).Annotation("iothub-connection-device-id")!;
            counts[device] = counts.GetValueOrDefault(device) + 1;
        }

        Assert.All(devices.Skip(5), device => Assert.Equal(8, counts[device.Id.Device.Value]));
    }

    private static Task<TestSender> AttachAsync(AmqpDeviceClient client, DeviceIdentity device) => client.SenderAsync(
        $"/devices/{device.Id.Device.Value}/messages/events", "TelemetrySenderLink", new Session(client.Connection));

    private static Task<global::Amqp.Framing.Error?[]> SendFourAsync(TestSender sender) =>
        Task.WhenAll(Enumerable.Range(0, 4).Select(i => sender.SendAsync($"message {i}")));
}
