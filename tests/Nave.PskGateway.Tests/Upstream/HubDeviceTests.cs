using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Amqp;
using Nave.Hub.Commands;
using Nave.Hub.Devices;
using Nave.Hub.Methods;
using Nave.Hub.Tests.Heads.Amqp;
using Nave.Hub.Twins;
using Nave.Protocol.Identities;
using Nave.Protocol.Messages;
using Nave.PskGateway.Upstream;
using CommandOutcome = Nave.PskGateway.Upstream.CommandOutcome;

namespace Nave.PskGateway.Tests.Upstream;

/// <summary>What one device has of the hub through the pool: telemetry, commands, twin and methods, against a real hub.</summary>
public sealed class HubDeviceTests : IAsyncLifetime
{
    private static readonly IdentityId Id = new(DeviceId.Parse("dev-0"));

    private PoolRig _rig = null!;
    private IHubDevice _device = null!;
    private RecordedEvents _events = null!;

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _rig = await PoolRig.StartAsync();
        await _rig.CreateAsync(1);
        (_device, _events) = await _rig.OpenAsync("dev-0");
    }

    public async ValueTask DisposeAsync() => await _rig.DisposeAsync();

    [Fact]
    public async Task A_message_arrives_with_its_properties_and_in_order()
    {
        var sent = new MessageProperties
        {
            MessageId = "m-1",
            CorrelationId = "c-1",
            UserId = "me",
            ContentType = "application/json",
            ContentEncoding = "utf-8",
            CreationTime = "2026-11-26T00:00:00.0000000Z",
            InterfaceId = "dtmi:x;1",
            Component = "part",
            DiagnosticId = "00-1",
            Application = [new("colour", "grün"), new("empty", "")],
        };
        var results = await Task.WhenAll(Enumerable.Range(0, 150).Select(i => PoolRig.SendAsync(_device, $"{{\"n\":{i}}}", sent)));

        Assert.All(results, result => Assert.Equal(new SendResult(SendOutcome.Accepted), result));
        await using var reader = await AmqpDeviceClient.ConnectPolicyAsync(_rig.Hub, "service");
        var receiver = await reader.EventsAsync();
        var events = new List<Message>();
        while (events.Count < results.Length)
        {
            events.Add(await receiver.NextAsync());
        }

        Assert.Equal(Enumerable.Range(0, 150).Select(i => $"{{\"n\":{i}}}"), events.Select(message => message.Text()));
        var first = events[0];
        Assert.Equal("dev-0", first.Annotation("iothub-connection-device-id"));
        Assert.Equal(("m-1", "c-1"), (first.Properties.MessageId, first.Properties.CorrelationId));
        Assert.Equal("me"u8.ToArray(), first.Properties.UserId);
        Assert.Equal(("application/json", "utf-8"), ((string)first.Properties.ContentType, (string)first.Properties.ContentEncoding));
        Assert.Equal(("grün", ""), (first.ApplicationProperties["colour"], first.ApplicationProperties["empty"]));
        Assert.Equal("2026-11-26T00:00:00.0000000Z", first.ApplicationProperties["iothub-creation-time-utc"]);
        Assert.Equal(("dtmi:x;1", "part"), (first.Annotation("iothub-interface-id"), first.Annotation("dt-subject")));
    }

    [Fact]
    public async Task A_message_over_the_limit_is_rejected_and_the_next_one_taken()
    {
        var rejected = await PoolRig.SendAsync(_device, new string('x', 300_000));

        Assert.Equal(SendOutcome.Rejected, rejected.Outcome);
        Assert.Contains("message-size-exceeded", rejected.Reason);
        Assert.Equal(SendOutcome.Accepted, (await PoolRig.SendAsync(_device, new string('x', 200_000))).Outcome);
        Assert.False(_events.IsClosed);
    }

    [Fact]
    public async Task Commands_come_within_their_window_and_are_settled_each_way()
    {
        for (var i = 0; i < 3; i++)
        {
            await QueueAsync($"cmd-{i}");
        }

        Assert.True(await _device.StartCommandsAsync(2, Stopping));
        var first = await _events.CommandAsync();
        var second = await _events.CommandAsync();
        Assert.Equal(("cmd-0", "cmd-1"), (first.Properties.MessageId, second.Properties.MessageId));
        Assert.Equal(("full", "/devices/dev-0/messages/devicebound"), (first.Acknowledgement, first.Properties.To));
        Assert.Equal("value", Assert.Single(first.Properties.Application).Value);
        Assert.Equal("body", Encoding.UTF8.GetString(first.Body.Span));
        Assert.Equal(0, _events.Waiting);

        Assert.True(await _device.CompleteCommandAsync(first.Token, CommandOutcome.Complete, Stopping));
        var third = await _events.CommandAsync();
        Assert.True(await _device.CompleteCommandAsync(second.Token, CommandOutcome.Abandon, Stopping));
        var again = await _events.CommandAsync();
        Assert.Equal(("cmd-2", "cmd-1"), (third.Properties.MessageId, again.Properties.MessageId));
        Assert.True(await _device.CompleteCommandAsync(again.Token, CommandOutcome.Reject, Stopping));
        Assert.True(await _device.CompleteCommandAsync(third.Token, CommandOutcome.Complete, Stopping));

        Assert.False(await _device.CompleteCommandAsync(third.Token, CommandOutcome.Complete, Stopping));
        await Eventually.IsAsync(async () => await CountAsync() == 0);
    }

    [Fact]
    public async Task Unsettled_commands_go_back_when_no_more_are_wanted()
    {
        await QueueAsync("cmd");
        Assert.True(await _device.StartCommandsAsync(10, Stopping));
        var first = await _events.CommandAsync();

        await _device.StopCommandsAsync(Stopping);
        Assert.False(await _device.CompleteCommandAsync(first.Token, CommandOutcome.Complete, Stopping));
        Assert.True(await _device.StartCommandsAsync(10, Stopping));

        var again = await _events.CommandAsync();
        Assert.Equal("cmd", again.Properties.MessageId);
        Assert.False(await _device.CompleteCommandAsync(first.Token, CommandOutcome.Complete, Stopping));
        Assert.True(await _device.CompleteCommandAsync(again.Token, CommandOutcome.Complete, Stopping));
        await Eventually.IsAsync(async () => await CountAsync() == 0);
        Assert.False(_events.IsClosed);
    }

    [Fact]
    public async Task The_twin_is_read_patched_and_followed()
    {
        var patched = await _device.PatchReportedAsync("""{"firmware":"2"}"""u8.ToArray(), Stopping);
        Assert.True(await _device.StartDesiredAsync(Stopping));
        await ChangeAsync("""{"mode":"eco"}""");
        var (patch, version) = await _events.DesiredAsync();
        var twin = await _device.GetTwinAsync(Stopping);
        var refused = await _device.PatchReportedAsync("no json"u8.ToArray(), Stopping);

        Assert.Equal((204, 2L), (patched.Status, patched.Version));
        Assert.Equal(("""{"mode":"eco","$version":2}""", 2L), (Encoding.UTF8.GetString(patch.Span), version));
        Assert.Equal(200, twin.Status);
        var json = JsonNode.Parse(twin.Body.Span)!;
        Assert.Equal("""{"mode":"eco","$version":2}""", json["desired"]!.ToJsonString());
        Assert.Equal("""{"firmware":"2","$version":2}""", json["reported"]!.ToJsonString());
        Assert.Equal(400, refused.Status);
        Assert.NotNull(JsonNode.Parse(refused.Body.Span)!["message"]);
    }

    [Fact]
    public async Task A_method_is_called_and_answered_while_the_device_takes_them()
    {
        Assert.True(await _device.StartMethodsAsync(Stopping));
        var call = InvokeAsync("reboot", """{"after":5}""");
        var request = await _events.CallAsync();

        Assert.Equal(("reboot", """{"after":5}"""), (request.Name, Encoding.UTF8.GetString(request.Payload.Span)));
        Assert.True(await _device.AnswerMethodAsync(request.RequestId, 201, """{"done":true}"""u8.ToArray(), Stopping));
        Assert.True(await _device.AnswerMethodAsync(request.RequestId, 500, default, Stopping), "An answer too many goes nowhere.");
        Assert.Equal((201, """{"done":true}"""), await call);

        await _device.StopMethodsAsync(Stopping);
        Assert.True(await _device.StartMethodsAsync(Stopping));
        var second = InvokeAsync("again", "null");
        var another = await _events.CallAsync();
        Assert.True(await _device.AnswerMethodAsync(another.RequestId, 200, "1"u8.ToArray(), Stopping));
        Assert.Equal((200, "1"), await second);
    }

    [Fact]
    public async Task Everything_is_lost_once_the_device_has_left()
    {
        await _device.DisposeAsync();

        Assert.Equal(SendOutcome.Lost, (await PoolRig.SendAsync(_device)).Outcome);
        Assert.False(await _device.StartCommandsAsync(1, Stopping));
        Assert.False(await _device.StartMethodsAsync(Stopping));
        Assert.False(await _device.StartDesiredAsync(Stopping));
        Assert.False(await _device.AnswerMethodAsync("no-guid", 200, default, Stopping));
        Assert.Equal(TwinAnswer.Lost, (await _device.GetTwinAsync(Stopping)).Status);
        Assert.False(await _device.CompleteCommandAsync("0-1", CommandOutcome.Complete, Stopping));
        Assert.False(_events.IsClosed);
    }

    private async Task QueueAsync(string messageId)
    {
        var command = new CloudToDeviceMessage(
            new MessageProperties { MessageId = messageId, Application = [new("name", "value")] }, "body"u8.ToArray(), AcknowledgementRequest.Full);
        Assert.Null(await _rig.Hub.Get<CommandSender>().SendAsync(Id, command, Stopping));
    }

    private async Task<int> CountAsync() => (await _rig.Hub.Get<CommandStore>().LoadAsync(Id))?.Commands.Count ?? 0;

    private async Task ChangeAsync(string desired)
    {
        using var body = JsonDocument.Parse($$"""{"properties": {"desired": {{desired}} } }""");
        Assert.True(TwinUpdate.Read(body.RootElement, isReplace: false).TryGet(out var update, out _));
        Assert.Null((await _rig.Hub.Get<IDeviceDirectory>().Of(Id).ChangeTwinAsync(update, ETagCondition.Any)).Failure);
    }

    private async Task<(int Status, string Payload)> InvokeAsync(string name, string payload)
    {
        var request = new DirectMethodRequest(name, Encoding.UTF8.GetBytes(payload), TimeSpan.FromSeconds(20), TimeSpan.Zero);
        var outcome = await _rig.Hub.Get<MethodCaller>().InvokeAsync(Id, request, Stopping);
        Assert.True(outcome.TryGet(out var answer, out var failure), failure?.ToString());
        return (answer.Status, Encoding.UTF8.GetString(answer.Payload.Span));
    }
}
