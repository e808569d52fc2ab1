using System.Text;
using Nave.Hub.Devices;
using Nave.Hub.Methods;
using Nave.Hub.Tests.Devices;
using Nave.Hub.Tests.Harness;
using Nave.Protocol.Errors;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Mqtt;

/// <summary>Direct methods through the whole MQTT head (spec/device-mqtt.md 9, spec/service-rest.md 7).</summary>
public sealed class MqttMethodTests
{
    private const string Filter = "$iothub/methods/POST/#";

    [Fact]
    [Conformance("device-mqtt", 18, 27)]
    public async Task A_device_is_asked_at_QoS_0_and_its_answer_reaches_the_caller()
    {
        await using var hub = await MqttHub.CreateAsync();
        var device = await SubscribedAsync(hub);

        var call = CallAsync(hub, "reboot");
        var request = await device.ExpectPublishAsync();
        Assert.Equal(0, request.Qos);
        Assert.Equal("null", Encoding.UTF8.GetString(request.Payload));
        Assert.Matches(@"^\$iothub/methods/POST/reboot/\?\$rid=[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", request.Topic);
        await AnswerAsync(device, request, 200, """{"ok":true}""");

        AssertAnswer(await call, 200, """{"ok":true}""");
    }

    [Theory]
    [InlineData(-1, "", "null")]
    [InlineData(500, " [1, 2] ", " [1, 2] ")]
    [InlineData(int.MaxValue, "\"é\"", "\"é\"")]
    public async Task Any_status_and_any_JSON_is_an_answer(int status, string payload, string expected)
    {
        await using var hub = await MqttHub.CreateAsync();
        var device = await SubscribedAsync(hub);

        var call = CallAsync(hub, "m", """{"a":1}""");
        var request = await device.ExpectPublishAsync();
        Assert.Equal("""{"a":1}""", Encoding.UTF8.GetString(request.Payload));
        await AnswerAsync(device, request, status, payload);

        AssertAnswer(await call, status, expected);
    }

    [Theory]
    [InlineData("ok")]
    [InlineData("{\"a\":1")]
    [InlineData("{} {}")]
    [InlineData("\ufeff{}")]
    public async Task An_answer_that_is_no_JSON_is_a_bad_answer(string payload)
    {
        await using var hub = await MqttHub.CreateAsync();
        var device = await SubscribedAsync(hub);

        var call = CallAsync(hub, "m");
        await AnswerAsync(device, await device.ExpectPublishAsync(), 200, payload);

        AssertFailed(await call, HubErrorCode.BadDeviceResponse);
    }

    [Fact]
    public async Task An_answer_over_the_limit_is_a_bad_answer()
    {
        await using var hub = await MqttHub.CreateAsync();
        var device = await SubscribedAsync(hub);

        var first = CallAsync(hub, "m");
        await AnswerAsync(device, await device.ExpectPublishAsync(), 200, $"\"{new string('a', 131_070)}\"");
        AssertAnswer(await first, 200, $"\"{new string('a', 131_070)}\"");

        var second = CallAsync(hub, "m");
        await AnswerAsync(device, await device.ExpectPublishAsync(), 200, $"\"{new string('a', 131_071)}\"");
        AssertFailed(await second, HubErrorCode.BadDeviceResponse);
    }

    [Fact]
    [Conformance("device-mqtt", 28)]
    public async Task A_connected_device_that_takes_no_methods_is_not_online_for_them_and_is_sent_nothing()
    {
        await using var hub = await MqttHub.CreateAsync();
        var device = await hub.AcceptAsync();
        await device.SubscribeAsync(1, ("$iothub/twin/res/#", 0), ("$iothub/methods/POST/other/#", 0));
        await device.ExpectSubAckAsync(1);
        await device.UnsubscribeAsync(2, "$iothub/methods/POST/other/#");
        await device.ExpectUnsubAckAsync(2);

        AssertFailed(await CallAsync(hub, "m"), HubErrorCode.DeviceNotOnline);
        device.ExpectNothing();
    }

    [Fact]
    public async Task A_device_that_takes_one_method_is_asked_for_no_other()
    {
        await using var hub = await MqttHub.CreateAsync();
        var device = await SubscribedAsync(hub, filter: "$iothub/methods/POST/one/#");

        AssertFailed(await CallAsync(hub, "other"), HubErrorCode.DeviceNotOnline);
        var call = CallAsync(hub, "one");
        await AnswerAsync(device, await device.ExpectPublishAsync(), 1, "");

        AssertAnswer(await call, 1, "null");
    }

    [Fact]
    public async Task A_device_that_is_unknown_or_disabled_is_not_found()
    {
        await using var hub = await MqttHub.CreateAsync();
        await hub.CreateDeviceAsync("off");
        await hub.Registry.ExpectAsync(hub.Registry.Registry.UpdateAsync(
            RegistryHarness.Draft("off") with { IsEnabled = false }, ETagCondition.Any, CancellationToken.None));

        AssertFailed(await CallAsync(hub, "m", id: "nobody"), HubErrorCode.DeviceNotFound);
        AssertFailed(await CallAsync(hub, "m", id: "dev/mod"), HubErrorCode.ModuleNotFound);
        AssertFailed(await CallAsync(hub, "m", id: "off"), HubErrorCode.DeviceNotFound);
    }

    [Fact]
    public async Task A_module_is_asked_beside_its_device()
    {
        await using var hub = await MqttHub.CreateAsync();
        await hub.CreateDeviceAsync("dev/mod");
        var device = await SubscribedAsync(hub);
        var module = await SubscribedAsync(hub, "dev/mod");

        var call = CallAsync(hub, "m", id: "dev/mod");
        await AnswerAsync(module, await module.ExpectPublishAsync(), 200, "1");

        AssertAnswer(await call, 200, "1");
        device.ExpectNothing();
    }

    [Fact]
    public async Task A_caller_waits_for_the_device_to_connect_and_to_subscribe()
    {
        await using var hub = await MqttHub.CreateAsync();

        var call = CallAsync(hub, "m", connect: 60);
        var device = await hub.AcceptAsync();
        Assert.False(call.IsCompleted);
        await device.SubscribeAsync(1, (Filter, 1));
        await device.ExpectSubAckAsync(1);
        await AnswerAsync(device, await device.ExpectPublishAsync(), 200, "2");

        AssertAnswer(await call, 200, "2");
    }

    [Fact]
    [Conformance("device-mqtt", 7)]
    public async Task A_kept_session_takes_methods_again_without_a_SUBSCRIBE()
    {
        await using var hub = await MqttHub.CreateAsync();
        var first = await SubscribedAsync(hub);
        await first.DisconnectAsync();
        await hub.WaitForServedAsync(first);

        var call = CallAsync(hub, "m", connect: 60);
        var second = await hub.AcceptAsync();
        await AnswerAsync(second, await second.ExpectPublishAsync(), 200, "3");

        AssertAnswer(await call, 200, "3");
    }

    [Fact]
    public async Task A_device_that_does_not_come_is_not_online_when_the_connect_timeout_is_over()
    {
        await using var hub = await MqttHub.CreateAsync();

        var call = CallAsync(hub, "m", connect: 60, response: 30);
        await AdvanceUntilAsync(hub, call, TimeSpan.FromSeconds(60));

        AssertFailed(await call, HubErrorCode.DeviceNotOnline);
    }

    [Fact]
    [Conformance("service-rest", 22)]
    public async Task A_silent_device_is_given_up_half_a_second_before_the_client_gives_up()
    {
        await using var hub = await MqttHub.CreateAsync();
        var device = await SubscribedAsync(hub);

        var call = CallAsync(hub, "m", response: 5);
        var request = await device.ExpectPublishAsync();
        hub.Time.Advance(TimeSpan.FromSeconds(4.4));
        Assert.False(call.IsCompleted);
        hub.Time.Advance(TimeSpan.FromSeconds(0.1));

        AssertFailed(await call, HubErrorCode.GatewayTimeout);

        // Its late answer means nothing, and the next call is its own.
        await AnswerAsync(device, request, 200, "1");
        var next = CallAsync(hub, "m");
        await AnswerAsync(device, await device.ExpectPublishAsync(), 200, "2");
        AssertAnswer(await next, 200, "2");
    }

    [Fact]
    [Conformance("device-mqtt", 29)]
    public async Task An_answer_to_nothing_is_ignored_and_the_connection_stays()
    {
        await using var hub = await MqttHub.CreateAsync();
        var device = await SubscribedAsync(hub);

        foreach (var requestId in new[] { "1", "x", "00000000-0000-0000-0000-000000000000", new string('9', 1000) })
        {
            await device.PublishAsync($"$iothub/methods/res/200/?$rid={requestId}", "{}", qos: 0);
        }

        await device.PublishAsync("$iothub/methods/res/200/?$rid=1", "{}", qos: 1, packetId: 7);
        await device.ExpectPubAckAsync(7);
        await device.PingAsync();
        await device.ExpectPingResponseAsync();
    }

    [Fact]
    public async Task Only_the_first_answer_of_the_session_that_was_asked_counts()
    {
        await using var hub = await MqttHub.CreateAsync();
        await hub.CreateDeviceAsync("thief");
        var device = await SubscribedAsync(hub);
        var thief = await SubscribedAsync(hub, "thief");

        var call = CallAsync(hub, "m");
        var request = await device.ExpectPublishAsync();
        await AnswerAsync(thief, request, 200, "\"stolen\"");
        await thief.PingAsync();
        await thief.ExpectPingResponseAsync();
        Assert.False(call.IsCompleted);
        await AnswerAsync(device, request, 200, "1");
        await AnswerAsync(device, request, 201, "2");

        AssertAnswer(await call, 200, "1");
    }

    [Fact]
    public async Task A_call_under_way_ends_with_its_connection_and_is_not_sent_to_the_next()
    {
        await using var hub = await MqttHub.CreateAsync();
        var first = await SubscribedAsync(hub);

        var call = CallAsync(hub, "m", connect: 60);
        var request = await first.ExpectPublishAsync();
        var second = await hub.AcceptAsync();

        AssertFailed(await call, HubErrorCode.DeviceConnectionClosedRemotely);
        await AnswerAsync(second, request, 200, "1");
        await second.PingAsync();
        await second.ExpectPingResponseAsync(); // And no PUBLISH before it.
    }

    [Fact]
    public async Task A_hub_that_stops_lets_nobody_wait()
    {
        await using var hub = await MqttHub.CreateAsync();
        var device = await SubscribedAsync(hub);

        var away = CallAsync(hub, "m", id: "dev", connect: 300);
        await device.ExpectPublishAsync();
        hub.Drain();

        AssertFailed(await away, HubErrorCode.ServiceUnavailable);
    }

    [Fact]
    public async Task Calls_over_the_bound_of_a_device_are_refused_at_once()
    {
        await using var hub = await MqttHub.CreateAsync();
        hub.MethodOptions.MaxPendingPerDevice = 2;
        var device = await SubscribedAsync(hub);

        var first = CallAsync(hub, "m");
        var request = await device.ExpectPublishAsync();
        var second = CallAsync(hub, "m");
        await device.ExpectPublishAsync();
        AssertFailed(await CallAsync(hub, "m"), HubErrorCode.ThrottlingException);
        await AnswerAsync(device, request, 200, "1");

        AssertAnswer(await first, 200, "1");
        var third = CallAsync(hub, "m");
        await AnswerAsync(device, await device.ExpectPublishAsync(), 200, "3");
        AssertAnswer(await third, 200, "3");
        Assert.False(second.IsCompleted);
        hub.Drain();
        await second;
    }

    [Theory]
    [InlineData("")]
    [InlineData("a/b")]
    [InlineData("a?b")]
    [InlineData("#")]
    [InlineData("a\nb")]
    [InlineData("\ud800")]
    public async Task A_name_that_is_no_topic_segment_is_refused(string name)
    {
        await using var hub = await MqttHub.CreateAsync();

        AssertFailed(await CallAsync(hub, name), name.Length == 0 ? HubErrorCode.ArgumentNull : HubErrorCode.ArgumentInvalid);
    }

    [Theory]
    [InlineData(4, 0)]
    [InlineData(301, 0)]
    [InlineData(30, -1)]
    [InlineData(30, 301)]
    public async Task A_timeout_out_of_range_is_refused(int response, int connect)
    {
        await using var hub = await MqttHub.CreateAsync();

        AssertFailed(await CallAsync(hub, "m", response: response, connect: connect), HubErrorCode.ArgumentInvalid);
    }

    private static async Task<MqttTestClient> SubscribedAsync(MqttHub hub, string id = "dev", string filter = Filter)
    {
        var device = await hub.AcceptAsync(id);
        await device.SubscribeAsync(1, (filter, 1));
        Assert.Equal([1], await device.ExpectSubAckAsync(1));

        // The SUBACK leaves before the actor knows; what the device sends next is read after it does.
        await device.PingAsync();
        await device.ExpectPingResponseAsync();
        return device;
    }

    private static Task<Outcome<DirectMethodResponse>> CallAsync(
        MqttHub hub, string name, string payload = "null", string id = "dev", int response = 30, int connect = 0) =>
        hub.Methods.InvokeAsync(
            RegistryHarness.Id(id),
            new DirectMethodRequest(name, Encoding.UTF8.GetBytes(payload), TimeSpan.FromSeconds(response), TimeSpan.FromSeconds(connect)),
            CancellationToken.None).AsTask();

    private static Task AnswerAsync(MqttTestClient device, ReceivedPublish request, int status, string payload) =>
        device.PublishAsync($"$iothub/methods/res/{status}/?$rid={request.Topic.Split("$rid=")[1]}", payload, qos: 0);

    // The call's wait may begin a moment after the call: time goes on until it is over.
    private static async Task AdvanceUntilAsync(MqttHub hub, Task call, TimeSpan least)
    {
        hub.Time.Advance(least - TimeSpan.FromSeconds(1));
        Assert.False(call.IsCompleted);
        for (var i = 0; i < 10_000 && !call.IsCompleted; i++)
        {
            hub.Time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }
    }

    private static void AssertAnswer(Outcome<DirectMethodResponse> outcome, int status, string payload)
    {
        Assert.True(outcome.Value is not null, outcome.Failure?.ToString());
        Assert.Equal((status, payload), (outcome.Value.Status, Encoding.UTF8.GetString(outcome.Value.Payload.Span)));
    }

    private static void AssertFailed(Outcome<DirectMethodResponse> outcome, HubErrorCode code) => Assert.Equal(code, outcome.Failure?.Code);
}
