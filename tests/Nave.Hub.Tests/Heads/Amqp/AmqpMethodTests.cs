using System.Text;
using Amqp;
using Amqp.Framing;
using Nave.Hub.Devices;
using Nave.Hub.Methods;
using Nave.Hub.Tests.Harness;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Amqp;

/// <summary>Direct methods as devices and modules take them over AMQP (spec/device-amqp.md 7), against a whole hub.</summary>
public sealed class AmqpMethodTests : IAsyncLifetime
{
    private TestHub _hub = null!;
    private DeviceIdentity _device = null!;
    private AmqpDeviceClient _client = null!;

    public async ValueTask InitializeAsync()
    {
        _hub = await DeviceHub.StartAsync();
        _device = await _hub.CreateAsync("dev");
        _client = await AmqpDeviceClient.ConnectDeviceAsync(_hub, _device);
    }

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _hub.DisposeAsync();
    }

    [Theory]
    [InlineData(IdForm.Uuid)]
    [InlineData(IdForm.Text)]
    [InlineData(IdForm.UpperCaseText)]
    [Conformance("device-amqp", 18)]
    public async Task An_answer_completes_the_call_by_its_id_whatever_the_type(IdForm form)
    {
        var links = await AttachAsync(_client, "/devices/dev/methods/deviceBound");

        var call = CallAsync("Reboot", """{"a":[1]}""");
        var request = await links.Requests.NextAsync();
        var id = Assert.IsType<Guid>(request.Properties.GetCorrelationId());
        Assert.Equal("Reboot", request.ApplicationProperties["IoThub-methodname"]);
        Assert.Equal("""{"a":[1]}""", request.Text());
        Assert.Null(await links.Answers.SendAsync(Answer(form switch
        {
            IdForm.Text => id.ToString("D"),
            IdForm.UpperCaseText => id.ToString("D").ToUpperInvariant(),
            _ => id,
        }, -7, "true")));

        AssertAnswer(await call, -7, "true");
    }

    [Fact]
    public async Task A_method_without_payload_delivers_null_and_an_answer_without_a_body_is_null()
    {
        var links = await AttachAsync(_client, "devices/dev/methods/devicebound");

        var call = CallAsync("m");
        var request = await links.Requests.NextAsync();
        Assert.Equal("null", request.Text());
        Assert.Null(await links.Answers.SendAsync(Answer(request.Properties.GetCorrelationId(), 204, null)));

        AssertAnswer(await call, 204, "null");
    }

    [Fact]
    public async Task A_device_takes_methods_while_it_has_both_links()
    {
        const string Address = "/devices/dev/methods/devicebound";
        var requests = await _client.ReceiverAsync(Address);
        requests.Grant(10);
        AssertFailed(await CallAsync("m"), HubErrorCode.DeviceNotOnline);

        // Told of the second link, the call that waits goes out.
        var waiting = CallAsync("m", connect: 60);
        var answers = await _client.SenderAsync(Address);
        var request = await requests.NextAsync();
        Assert.Null(await answers.SendAsync(Answer(request.Properties.GetCorrelationId(), 1, "1")));
        AssertAnswer(await waiting, 1, "1");

        await answers.Link.CloseAsync();
        await Eventually.IsAsync(async () => await FindTakerAsync("dev") is null);
        AssertFailed(await CallAsync("m"), HubErrorCode.DeviceNotOnline);
    }

    [Fact]
    public async Task A_call_waits_for_credit_and_is_not_sent_when_nobody_waits_for_it_any_more()
    {
        const string Address = "/devices/dev/methods/devicebound";
        var requests = await _client.ReceiverAsync(Address);
        var answers = await _client.SenderAsync(Address);

        using var impatient = new CancellationTokenSource();
        var given = CallAsync("given-up", stopping: impatient.Token);
        await Eventually.IsAsync(() => _hub.Get<MethodCalls>().Count == 1);
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => given);
        var call = CallAsync("wanted");
        await Eventually.IsAsync(() => _hub.Get<MethodCalls>().Count == 1);
        requests.Grant(10);
        var request = await requests.NextAsync();

        Assert.Equal("wanted", request.ApplicationProperties["IoThub-methodname"]);
        Assert.Null(await answers.SendAsync(Answer(request.Properties.GetCorrelationId(), 1, "1")));
        AssertAnswer(await call, 1, "1");
    }

    [Fact]
    public async Task A_device_that_leaves_ends_the_call_under_way()
    {
        var links = await AttachAsync(_client, "/devices/dev/methods/devicebound");

        var call = CallAsync("m", connect: 60);
        await links.Requests.NextAsync();
        await _client.DisposeAsync();

        AssertFailed(await call, HubErrorCode.DeviceConnectionClosedRemotely);
    }

    [Fact]
    public async Task Nobody_answers_for_another_device_not_even_on_its_own_connection()
    {
        var thief = await _hub.CreateAsync("thief");
        Assert.Equal(200, await _client.PutTokenAsync(_hub.DeviceToken(thief)));
        var links = await AttachAsync(_client, "/devices/dev/methods/devicebound");
        var thiefs = await AttachAsync(_client, "/devices/thief/methods/devicebound", new Session(_client.Connection));

        var call = CallAsync("m");
        var request = await links.Requests.NextAsync();
        Assert.Null(await thiefs.Answers.SendAsync(Answer(request.Properties.GetCorrelationId(), 1, "\"stolen\"")));
        Assert.Null(await links.Answers.SendAsync(Answer(request.Properties.GetCorrelationId(), 2, "2")));

        AssertAnswer(await call, 2, "2");
    }

    [Fact]
    public async Task An_answer_that_is_none_is_rejected_and_the_link_stays()
    {
        var links = await AttachAsync(_client, "/devices/dev/methods/devicebound");

        var call = CallAsync("m");
        var id = (await links.Requests.NextAsync()).Properties.GetCorrelationId();
        Assert.NotNull(await links.Answers.SendAsync(new Message { BodySection = new Data { Binary = [] } }));
        Assert.NotNull(await links.Answers.SendAsync(Answer("no guid", 1, "1")));
        Assert.NotNull(await links.Answers.SendAsync(Answer(id, "text", "1")));
        Assert.NotNull(await links.Answers.SendAsync(Answer(id, null, "1")));
        Assert.NotNull(await links.Answers.SendAsync(Answer(id, long.MaxValue, "1")));
        Assert.Null(await links.Answers.SendAsync(Answer(Guid.Empty, 1, "1"))); // Of no call: taken, and nothing.
        Assert.Null(await links.Answers.SendAsync(Answer(id, 9L, "9")));

        AssertAnswer(await call, 9, "9");
    }

    [Fact]
    public async Task A_module_has_links_of_its_own()
    {
        var module = await _hub.CreateAsync("dev", "mod");
        await using var client = await AmqpDeviceClient.ConnectDeviceAsync(_hub, module);
        var links = await AttachAsync(client, "amqps://hub:5671/devices/dev/modules/mod/methods/deviceBound");
        AssertFailed(await CallAsync("m"), HubErrorCode.DeviceNotOnline);

        var call = CallAsync("m", id: module.Id);
        var request = await links.Requests.NextAsync();
        Assert.Null(await links.Answers.SendAsync(Answer(request.Properties.GetCorrelationId(), 3, "3")));

        AssertAnswer(await call, 3, "3");
    }

    [Fact]
    public async Task Five_hundred_devices_answer_on_one_connection()
    {
        const int Count = 500;
        var devices = await Task.WhenAll(Enumerable.Range(0, Count).Select(i => _hub.CreateAsync($"dev-{i}")));
        await using var client = await AmqpDeviceClient.ConnectAsync(_hub);
        Assert.All(await client.PutTokensAsync([.. devices.Select(device => _hub.DeviceToken(device))]), status => Assert.Equal(200, status));
        var links = await Task.WhenAll(devices.Select(
            device => AttachAsync(client, $"/devices/{device.Id.Device.Value}/methods/deviceBound", new Session(client.Connection))));

        var calls = devices.Select((device, i) => CallAsync("m", $"{i}", device.Id, response: 60)).ToList();
        await Task.WhenAll(links.Select(async pair =>
        {
            var request = await pair.Requests.NextAsync();
            Assert.Null(await pair.Answers.SendAsync(Answer(request.Properties.GetCorrelationId(), 200, request.Text())));
        }));

        for (var i = 0; i < Count; i++)
        {
            AssertAnswer(await calls[i], 200, $"{i}");
        }
    }

    [Fact]
    [Conformance("device-amqp", 29)]
    public async Task A_module_sends_telemetry_and_waits_for_inputs_at_the_same_address()
    {
        const string Address = "/devices/dev/modules/mod/messages/events";
        var module = await _hub.CreateAsync("dev", "mod");
        await using var client = await AmqpDeviceClient.ConnectDeviceAsync(_hub, module);

        var inputs = await client.ReceiverAsync(Address);
        inputs.Grant(10);
        var sender = await client.SenderAsync(Address);
        Assert.Null(await sender.SendAsync("from a module"));

        // The hub has no route to a module: the link stays open and silent.
        await using var reader = await AmqpDeviceClient.ConnectPolicyAsync(_hub, "service");
        var read = await (await reader.EventsAsync()).NextAsync();
        Assert.Equal(("dev", "mod"), (read.Annotation("iothub-connection-device-id"), read.Annotation("iothub-connection-module-id")));
        Assert.Equal((0, false), (inputs.Waiting, inputs.Link.IsClosed));
    }

    public enum IdForm
    {
        Uuid,
        Text,
        UpperCaseText,
    }

    private static async Task<(EventReceiver Requests, TestSender Answers)> AttachAsync(AmqpDeviceClient client, string address, Session? session = null)
    {
        var answers = await client.SenderAsync(address, "MethodsSenderLink", session);
        var requests = await client.ReceiverAsync(address, session);
        requests.Grant(10);
        return (requests, answers);
    }

    private static Message Answer(object? id, object? status, string? body)
    {
        var message = new Message { Properties = new Properties(), ApplicationProperties = new ApplicationProperties() };
        if (id is not null)
        {
            message.Properties.SetCorrelationId(id);
        }

        if (status is not null)
        {
            message.ApplicationProperties["IoThub-status"] = status;
        }

        if (body is not null)
        {
            message.BodySection = new Data { Binary = Encoding.UTF8.GetBytes(body) };
        }

        return message;
    }

    private Task<Outcome<DirectMethodResponse>> CallAsync(
        string name, string payload = "null", IdentityId? id = null, int response = 30, int connect = 0, CancellationToken stopping = default) =>
        _hub.Get<MethodCaller>().InvokeAsync(
            id ?? _device.Id,
            new DirectMethodRequest(name, Encoding.UTF8.GetBytes(payload), TimeSpan.FromSeconds(response), TimeSpan.FromSeconds(connect)),
            stopping).AsTask();

    private ValueTask<SessionName?> FindTakerAsync(string device) =>
        _hub.Get<IDeviceDirectory>().Of(new IdentityId(DeviceId.Parse(device))).FindMethodSessionAsync(waiter: null, gone: null);

    private static void AssertAnswer(Outcome<DirectMethodResponse> outcome, int status, string payload)
    {
        Assert.True(outcome.Value is not null, outcome.Failure?.ToString());
        Assert.Equal((status, payload), (outcome.Value.Status, Encoding.UTF8.GetString(outcome.Value.Payload.Span)));
    }

    private static void AssertFailed(Outcome<DirectMethodResponse> outcome, HubErrorCode code) => Assert.Equal(code, outcome.Failure?.Code);
}
