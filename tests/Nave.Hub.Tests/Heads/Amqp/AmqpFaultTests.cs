using Amqp;
using Amqp.Framing;
using Nave.Hub.Devices;
using Nave.Hub.Tests.Harness;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Amqp;

/// <summary>Faults that devices ask for, on pooled AMQP connections (spec/sdk-gotchas.md 6).</summary>
public sealed class AmqpFaultTests
{
    [Theory]
    [InlineData("KillAmqpD2CLink", "amqp:link:detach-forced")]
    [InlineData("KillAmqpC2DLink", "amqp:link:detach-forced")]
    [InlineData("KillAmqpSession", "amqp:internal-error")]
    [Conformance("sdk-gotchas", 12)]
    public async Task A_link_or_session_fault_drops_its_target_and_nothing_else(string fault, string condition)
    {
        await using var hub = await StartAsync();
        var (one, two) = (await hub.CreateAsync("one"), await hub.CreateAsync("two"));
        await using var pool = await AmqpDeviceClient.ConnectPolicyAsync(hub, "device");
        var (session, telemetry, commands) = await AttachAsync(pool, one);
        var (_, bystander, bystanderCommands) = await AttachAsync(pool, two);

        Assert.Null(await telemetry.SendAsync(Wish(fault, "drop it")));

        var closed = fault switch
        {
            "KillAmqpD2CLink" => await telemetry.ClosedAsync(),
            "KillAmqpC2DLink" => (await commands.ClosedAsync()).Condition.ToString(),
            _ => await EndedAsync(session),
        };
        Assert.Equal(condition, closed);
        Assert.Equal(fault is "KillAmqpC2DLink", !telemetry.IsClosed);
        Assert.Null(await bystander.SendAsync("still here"));
        Assert.False(bystanderCommands.Link.IsClosed);
        var again = await pool.SenderAsync("/devices/one/messages/events", session: new Session(pool.Connection));
        Assert.Null(await again.SendAsync("back again"));
    }

    [Theory]
    [InlineData("KillTcp")]
    [InlineData("KillAmqpConnection")]
    [InlineData("ShutDownAmqp")]
    public async Task A_connection_fault_ends_the_connection_and_its_devices_can_return(string fault)
    {
        await using var hub = await StartAsync();
        var one = await hub.CreateAsync("one");
        await using var client = await AmqpDeviceClient.ConnectDeviceAsync(hub, one);
        var closed = new TaskCompletionSource<Error?>(TaskCreationOptions.RunContinuationsAsynchronously);
        client.Connection.AddClosedCallback((_, error) => closed.TrySetResult(error));
        var (_, telemetry, _) = await AttachAsync(client, one);

        Assert.Null(await telemetry.SendAsync(Wish(fault, "boom")));

        var error = await closed.Task.WaitAsync(AmqpDeviceClient.Patience);
        if (fault is "KillAmqpConnection")
        {
            Assert.Equal(("amqp:connection:forced", "boom"), (error!.Condition.ToString(), error.Description));
        }

        if (fault is "ShutDownAmqp")
        {
            Assert.Null(error);
        }

        await using var later = await AmqpDeviceClient.ConnectDeviceAsync(hub, one);
        Assert.Null(await (await later.SenderAsync("/devices/one/messages/events")).SendAsync("back again"));
    }

    [Theory]
    [InlineData("InvokeThrottling", "com.microsoft:device-container-throttled")]
    [InlineData("InvokeMaxMessageQuota", "amqp:resource-limit-exceeded")]
    [InlineData("InvokeAuthError", "amqp:unauthorized-access")]
    [Conformance("sdk-gotchas", 14, 15, 16)]
    public async Task A_refusal_rejects_for_its_duration_and_leaves_the_links_alone(string fault, string condition)
    {
        await using var hub = await StartAsync();
        var one = await hub.CreateAsync("one");
        await using var client = await AmqpDeviceClient.ConnectDeviceAsync(hub, one);
        var (_, telemetry, commands) = await AttachAsync(client, one);

        Assert.Null(await telemetry.SendAsync(Wish(fault, "no", duration: 1)));

        // Between the acknowledgement of the wish and the fault itself telemetry still passes.
        await UntilAsync(async () => (await telemetry.SendAsync("before"))?.Condition == condition);
        await UntilAsync(async () => await telemetry.SendAsync("after") is null);

        Assert.False(telemetry.IsClosed || commands.Link.IsClosed);
        await using var reader = await AmqpDeviceClient.ConnectPolicyAsync(hub, "service");
        var events = await reader.EventsAsync();
        Message next;
        do
        {
            next = await events.NextAsync();
        }
        while (next.Text() == "before");

        Assert.Equal("after", next.Text());
    }

    [Fact]
    [Conformance("sdk-gotchas", 17)]
    public async Task With_the_option_off_a_wish_is_plain_telemetry()
    {
        await using var hub = await DeviceHub.StartAsync();
        var one = await hub.CreateAsync("one");
        await using var client = await AmqpDeviceClient.ConnectDeviceAsync(hub, one);
        var telemetry = await client.SenderAsync("/devices/one/messages/events");

        Assert.Null(await telemetry.SendAsync(Wish("KillAmqpConnection", "off")));
        Assert.Null(await telemetry.SendAsync("behind it"));

        await using var reader = await AmqpDeviceClient.ConnectPolicyAsync(hub, "service");
        var events = await reader.EventsAsync();
        var wish = await events.NextAsync();
        Assert.Equal(("wish", "KillAmqpConnection"), (wish.Text(), wish.ApplicationProperties["AzIoTHub_FaultOperationType"]));
        Assert.Equal("behind it", (await events.NextAsync()).Text());
    }

    private static Task<TestHub> StartAsync() => DeviceHub.StartAsync(options => options.Testing.FaultInjection = true);

    private static async Task<(Session Session, TestSender Telemetry, EventReceiver Commands)> AttachAsync(AmqpDeviceClient client, DeviceIdentity device)
    {
        var session = new Session(client.Connection);
        return (
            session,
            await client.SenderAsync($"/devices/{device.Id.Device.Value}/messages/events", session: session),
            await client.ReceiverAsync($"/devices/{device.Id.Device.Value}/messages/deviceBound", session));
    }

    private static async Task<string> EndedAsync(Session session)
    {
        var ended = new TaskCompletionSource<Error?>(TaskCreationOptions.RunContinuationsAsynchronously);
        session.AddClosedCallback((_, error) => ended.TrySetResult(error));
        if (session.IsClosed)
        {
            ended.TrySetResult(session.Error);
        }

        return (await ended.Task.WaitAsync(AmqpDeviceClient.Patience))?.Condition.ToString() ?? "";
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        for (var i = 0; !await condition(); i++)
        {
            Assert.True(i < 100_000, "It never came to be.");
        }
    }

    private static Message Wish(string fault, string reason, int duration = 5) => new()
    {
        BodySection = new Data { Binary = "wish"u8.ToArray() },
        ApplicationProperties = new ApplicationProperties
        {
            ["AzIoTHub_FaultOperationType"] = fault,
            ["AzIoTHub_FaultOperationCloseReason"] = reason,
            ["AzIoTHub_FaultOperationDelayInSecs"] = 0, // A number, as Node sends it.
            ["AzIoTHub_FaultOperationDurationInSecs"] = duration,
        },
    };
}
