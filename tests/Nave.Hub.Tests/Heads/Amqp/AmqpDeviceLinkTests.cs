using Amqp;
using Nave.Hub.Devices;
using Nave.Hub.Tests.Harness;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Amqp;

/// <summary>Who may attach which device's links, and what ends them.</summary>
public sealed class AmqpDeviceLinkTests : IAsyncLifetime
{
    private TestHub _hub = null!;

    public async ValueTask InitializeAsync() => _hub = await DeviceHub.StartAsync();

    public ValueTask DisposeAsync() => _hub.DisposeAsync();

    [Fact]
    [Conformance("device-amqp", 5, 8)]
    public async Task A_link_needs_a_token_that_covers_its_device()
    {
        var (a, _) = (await _hub.CreateAsync("a"), await _hub.CreateAsync("b"));
        await using var client = await AmqpDeviceClient.ConnectAsync(_hub);
        Assert.Equal("amqp:unauthorized-access", await (await client.SenderAsync("/devices/a/messages/events")).ClosedAsync());

        Assert.Equal(200, await client.PutTokenAsync(_hub.DeviceToken(a)));
        Assert.Null(await (await client.SenderAsync("/devices/a/messages/events")).SendAsync("a"));
        Assert.Equal("amqp:unauthorized-access", await (await client.SenderAsync("/devices/b/messages/events")).ClosedAsync());
        Assert.Equal("amqp:unauthorized-access", await (await client.SenderAsync("/devices/nobody/messages/events")).ClosedAsync());
    }

    [Fact]
    [Conformance("device-amqp", 8)]
    public async Task A_token_of_a_policy_for_the_hub_opens_every_device_and_says_which_there_is_not()
    {
        await _hub.CreateAsync("a");
        await _hub.CreateAsync("b");
        await _hub.CreateAsync("b", "m");
        await using var client = await AmqpDeviceClient.ConnectPolicyAsync(_hub, "device");
        foreach (var path in new[] { "a", "b", "b/modules/m" })
        {
            Assert.Null(await (await client.SenderAsync($"/devices/{path}/messages/events")).SendAsync(path));
        }

        Assert.Equal("amqp:not-found", await (await client.SenderAsync("/devices/nobody/messages/events")).ClosedAsync());
        Assert.Equal("amqp:not-found", await (await client.SenderAsync("/devices/a/modules/none/messages/events")).ClosedAsync());
        Assert.Equal("amqp:not-found", await (await client.SenderAsync("/devices/a/messages/nothing")).ClosedAsync());
    }

    [Fact]
    public async Task A_policy_without_DeviceConnect_opens_no_device()
    {
        await _hub.CreateAsync("a");
        await using var client = await AmqpDeviceClient.ConnectPolicyAsync(_hub, "service");
        Assert.Equal("amqp:unauthorized-access", await (await client.SenderAsync("/devices/a/messages/events")).ClosedAsync());
    }

    [Fact]
    [Conformance("device-amqp", 4)]
    public async Task A_disabled_device_gets_no_token_accepted_and_no_link()
    {
        var device = await _hub.CreateAsync("a");
        await _hub.SetEnabledAsync(device, false);
        await using var client = await AmqpDeviceClient.ConnectAsync(_hub);
        Assert.Equal(401, await client.PutTokenAsync(_hub.DeviceToken(device)));
        Assert.Equal(200, await client.PutTokenAsync(_hub.PolicyToken("device")));
        Assert.Equal("amqp:unauthorized-access", await (await client.SenderAsync("/devices/a/messages/events")).ClosedAsync());
    }

    [Fact]
    [Conformance("device-amqp", 7)]
    public async Task Ten_sessions_of_one_connection_use_one_link_name_for_ten_devices()
    {
        await using var client = await AmqpDeviceClient.ConnectAsync(_hub);
        var senders = new List<TestSender>();
        for (var i = 0; i < 10; i++)
        {
            var device = await _hub.CreateAsync($"dev-{i}");
            Assert.Equal(200, await client.PutTokenAsync(_hub.DeviceToken(device)));
            senders.Add(await client.SenderAsync($"/devices/dev-{i}/messages/events", "TelemetrySenderLink", new Session(client.Connection)));
        }

        Assert.All(await Task.WhenAll(senders.Select(sender => sender.SendAsync("hello"))), Assert.Null);
        Assert.Equal(10, _hub.Get<DeviceSessions>().Count);
    }

    [Fact]
    [Conformance("device-amqp", 9)]
    public async Task A_renewed_token_keeps_the_links_and_an_expired_one_detaches_that_devices_only()
    {
        var (a, b) = (await _hub.CreateAsync("a"), await _hub.CreateAsync("b"));
        await using var client = await AmqpDeviceClient.ConnectAsync(_hub);
        Assert.Equal(200, await client.PutTokenAsync(_hub.DeviceToken(a, TimeSpan.FromSeconds(2))));
        Assert.Equal(200, await client.PutTokenAsync(_hub.DeviceToken(b, TimeSpan.FromSeconds(2))));
        var senderA = await client.SenderAsync("/devices/a/messages/events");
        var senderB = await client.SenderAsync("/devices/b/messages/events");
        Assert.Equal(200, await client.PutTokenAsync(_hub.DeviceToken(a)));

        Assert.Equal("amqp:unauthorized-access", await senderB.ClosedAsync());
        Assert.Null(await senderA.SendAsync("still here"));
        Assert.Equal(1, _hub.Get<DeviceSessions>().Count);
    }

    [Fact]
    public async Task A_renewed_policy_token_keeps_the_links_of_its_devices()
    {
        await _hub.CreateAsync("a");
        var b = await _hub.CreateAsync("b");
        await using var client = await AmqpDeviceClient.ConnectAsync(_hub);
        Assert.Equal(200, await client.PutTokenAsync(_hub.PolicyToken("device", life: TimeSpan.FromSeconds(2))));
        var sender = await client.SenderAsync("/devices/a/messages/events");
        Assert.Equal(200, await client.PutTokenAsync(_hub.PolicyToken("device")));

        // Another device's token that is not renewed tells when the two seconds are over.
        await using var other = await AmqpDeviceClient.ConnectAsync(_hub);
        Assert.Equal(200, await other.PutTokenAsync(_hub.DeviceToken(b, TimeSpan.FromSeconds(3))));
        Assert.Equal("amqp:unauthorized-access", await (await other.SenderAsync("/devices/b/messages/events")).ClosedAsync());
        Assert.Null(await sender.SendAsync("still here"));
    }

    [Fact]
    [Conformance("device-amqp", 24)]
    public async Task A_newer_connection_steals_the_links_of_the_older()
    {
        var (a, b) = (await _hub.CreateAsync("a"), await _hub.CreateAsync("b"));
        await using var older = await AmqpDeviceClient.ConnectPolicyAsync(_hub, "device");
        var sender = await older.SenderAsync("/devices/a/messages/events");
        var receiver = await older.ReceiverAsync("/devices/a/messages/devicebound");
        var bystander = await older.SenderAsync("/devices/b/messages/events");

        await using var newer = await AmqpDeviceClient.ConnectDeviceAsync(_hub, a);
        Assert.Null(await (await newer.SenderAsync("/devices/a/messages/events")).SendAsync("mine"));
        Assert.Equal("amqp:link:stolen", await sender.ClosedAsync());
        Assert.Equal("amqp:link:stolen", (await receiver.ClosedAsync()).Condition);
        Assert.Null(await bystander.SendAsync("not touched"));
        Assert.Equal(b.Id, (await _hub.Get<DeviceRegistry>().FindAsync(b.Id, TestContext.Current.CancellationToken))?.Id);
    }

    [Theory]
    [InlineData(true, "amqp:not-found")]
    [InlineData(false, "amqp:unauthorized-access")]
    public async Task Disabling_or_deleting_a_device_detaches_its_links(bool deletes, string condition)
    {
        var a = await _hub.CreateAsync("a");
        await _hub.CreateAsync("b");
        await using var client = await AmqpDeviceClient.ConnectPolicyAsync(_hub, "device");
        var sender = await client.SenderAsync("/devices/a/messages/events");
        var bystander = await client.SenderAsync("/devices/b/messages/events");
        if (deletes)
        {
            await _hub.Get<DeviceRegistry>().DeleteAsync(a.Id, ETagCondition.Any, TestContext.Current.CancellationToken);
        }
        else
        {
            await _hub.SetEnabledAsync(a, false);
        }

        Assert.Equal(condition, await sender.ClosedAsync());
        Assert.Null(await bystander.SendAsync("not touched"));
    }

    [Fact]
    public async Task A_session_ends_with_its_last_link_and_a_link_name_can_be_used_again()
    {
        var device = await _hub.CreateAsync("a");
        await using var client = await AmqpDeviceClient.ConnectDeviceAsync(_hub, device);
        for (var i = 0; i < 3; i++)
        {
            var sender = await client.SenderAsync("/devices/a/messages/events", "TelemetrySenderLink");
            Assert.Null(await sender.SendAsync("hello"));
            await sender.Link.CloseAsync(AmqpDeviceClient.Patience, null);
        }

        await Eventually.IsAsync(() => _hub.Get<DeviceSessions>().Count == 0);
    }

    [Fact]
    [Conformance("device-amqp", 2)]
    public async Task Sasl_plain_of_a_device_opens_its_own_links_only()
    {
        var (a, _) = (await _hub.CreateAsync("a"), await _hub.CreateAsync("b"));
        var hubName = _hub.HostName.Split('.')[0];
        await using var client = await AmqpDeviceClient.ConnectAsync(_hub, $"a@sas.{hubName}", _hub.DeviceToken(a));
        Assert.Null(await (await client.SenderAsync("/devices/a/messages/events")).SendAsync("hello"));
        Assert.Equal("amqp:unauthorized-access", await (await client.SenderAsync("/devices/b/messages/events")).ClosedAsync());
        await Assert.ThrowsAnyAsync<Exception>(() => AmqpDeviceClient.ConnectAsync(_hub, $"b@sas.{hubName}", _hub.DeviceToken(a)));
    }
}
