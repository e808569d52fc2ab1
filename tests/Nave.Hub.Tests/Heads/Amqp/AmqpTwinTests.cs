using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Amqp;
using Amqp.Framing;
using Amqp.Types;
using Nave.Hub.Devices;
using Nave.Hub.Tests.Harness;
using Nave.Hub.Twins;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Amqp;

/// <summary>The twin as devices and modules have it over AMQP (spec/device-amqp.md 8), against a whole hub.</summary>
public sealed class AmqpTwinTests : IAsyncLifetime
{
    private const string Desired = "/notifications/twin/properties/desired";

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
    [InlineData(" ")]
    [InlineData(null)]
    [Conformance("device-amqp", 19)]
    public async Task A_read_is_answered_with_both_sections_whatever_the_body(string? body)
    {
        await ChangeAsync(_device, """{"mode":"eco"}""");
        var twin = await AttachAsync(_client, "/devices/dev/twin");

        await twin.AskAsync("GET", null, "r-1", body);
        var answer = await twin.AnswerAsync();

        Assert.Equal("r-1", answer.Properties.GetCorrelationId());
        Assert.Equal(200, Assert.IsType<int>(answer.Annotation("status")));
        var json = JsonNode.Parse(answer.Text())!;
        Assert.Equal("""{"mode":"eco","$version":2}""", json["desired"]!.ToJsonString());
        Assert.Equal("""{"$version":1}""", json["reported"]!.ToJsonString());
    }

    [Theory]
    [InlineData("Get0f8fad5b-d9cb-469f-a165-70867728950e")]
    [InlineData("Patch0f8fad5b-d9cb-469f-a165-70867728950e")]
    [InlineData("Put0f8fad5b-d9cb-469f-a165-70867728950e")]
    [InlineData("0f8fad5b-d9cb-469f-a165-70867728950e")]
    [Conformance("device-amqp", 21)]
    public async Task An_id_is_echoed_exactly(string id)
    {
        var twin = await AttachAsync(_client, "amqps://hub:5671/devices/dev/twin");

        await twin.AskAsync("GET", null, id);
        Assert.Equal(id, Assert.IsType<string>((await twin.AnswerAsync()).Properties.GetCorrelationId()));
        await twin.AskAsync("PATCH", "/properties/reported", id, """{"a":1}""", version: true);
        Assert.Equal(id, Assert.IsType<string>((await twin.AnswerAsync()).Properties.GetCorrelationId()));
        await twin.AskAsync("GET", null, Guid.Parse("0f8fad5b-d9cb-469f-a165-70867728950e"));
        Assert.IsType<Guid>((await twin.AnswerAsync()).Properties.GetCorrelationId());
    }

    [Fact]
    public async Task A_reported_patch_is_merged_and_answered_with_its_version()
    {
        var twin = await AttachAsync(_client, "/devices/dev/twin");

        await twin.AskAsync("PATCH", "/properties/reported", "p1", """{"a":{"b":1},"c":2}""");
        var first = await twin.AnswerAsync();
        await twin.AskAsync("PATCH", "/properties/reported", "p2", """{"a":{"b":null},"d":3}""");
        var second = await twin.AnswerAsync();
        await twin.AskAsync("GET", null, "g");
        var read = JsonNode.Parse((await twin.AnswerAsync()).Text())!;

        Assert.Equal((204, ""), (first.Annotation("status"), first.Text()));
        Assert.Equal((2L, 3L), (Assert.IsType<long>(first.Annotation("version")), Assert.IsType<long>(second.Annotation("version"))));
        Assert.Equal("""{"a":{},"c":2,"d":3,"$version":3}""", read["reported"]!.ToJsonString());
    }

    [Fact]
    [Conformance("device-amqp", 20)]
    public async Task Changes_are_told_between_PUT_and_DELETE_and_both_are_answered()
    {
        var twin = await AttachAsync(_client, "/devices/dev/twin");
        await ChangeAsync(_device, """{"before":1}""");

        await twin.AskAsync("PUT", Desired, "on", " ");
        Assert.Equal(("on", 200, ""), await StatusAsync(twin));
        await ChangeAsync(_device, """{"during":1}""");
        await ChangeAsync(_device, """{"during":null}""");
        var set = await twin.AnswerAsync();
        var removed = await twin.AnswerAsync();
        await twin.AskAsync("DELETE", Desired, "off", " ");
        Assert.Equal(("off", 200, ""), await StatusAsync(twin));
        await ChangeAsync(_device, """{"after":1}""");
        await twin.AskAsync("GET", null, "g");

        Assert.Null(set.Properties?.GetCorrelationId());
        Assert.Equal(Desired, set.Annotation("resource"));
        Assert.Equal(3L, Assert.IsType<long>(set.Annotation("version")));
        Assert.Equal("""{"during":1,"$version":3}""", set.Text());
        Assert.Equal("""{"during":null,"$version":4}""", removed.Text());
        Assert.Equal("g", (await twin.AnswerAsync()).Properties.GetCorrelationId());
    }

    [Fact]
    public async Task A_new_pair_of_links_asks_anew()
    {
        var first = await AttachAsync(_client, "/devices/dev/twin");
        await first.AskAsync("PUT", Desired, "on");
        Assert.Equal(("on", 200, ""), await StatusAsync(first));
        await using var keeper = new Keeper(await _client.ReceiverAsync("/devices/dev/messages/devicebound")); // The session stays.
        await first.Requests.Link.CloseAsync();
        await first.Answers.Link.CloseAsync();

        var second = await AttachAsync(_client, "/devices/dev/twin");
        await second.AskAsync("GET", null, "g1");
        await second.AnswerAsync();
        await ChangeAsync(_device, """{"a":1}""");
        await second.AskAsync("GET", null, "g2");

        Assert.Equal("g2", (await second.AnswerAsync()).Properties.GetCorrelationId());
    }

    [Theory]
    [InlineData("PATCH", "/properties/reported", "{", 400)]
    [InlineData("PATCH", "/properties/reported", "[]", 400)]
    [InlineData("PATCH", "/properties/reported", """{"a.b":1}""", 400)]
    [InlineData("PATCH", "/properties/desired", """{"a":1}""", 400)]
    [InlineData("PUT", "/properties/reported", "{}", 400)]
    [InlineData("POST", "", "{}", 400)]
    [InlineData("", "", "{}", 400)]
    [Conformance("device-amqp", 22)]
    public async Task A_refusal_is_a_JSON_object_with_a_message(string operation, string resource, string body, int status)
    {
        var twin = await AttachAsync(_client, "/devices/dev/twin");

        await twin.AskAsync(operation, resource, "id", body);
        var answer = await twin.AnswerAsync();

        Assert.Equal(("id", status), (answer.Properties.GetCorrelationId(), answer.Annotation("status")));
        var json = JsonNode.Parse(answer.Text())!.AsObject();
        Assert.Equal(status, (int)json["errorCode"]! / 1000);
        Assert.NotEmpty((string)json["message"]!);
    }

    [Fact]
    public async Task A_patch_without_a_link_for_answers_is_done_all_the_same()
    {
        var requests = await _client.SenderAsync("/devices/dev/twin");

        Assert.Null(await requests.SendAsync(Request("PATCH", "/properties/reported", "p", """{"a":1}""")));
        var twin = await AttachAsync(_client, "/devices/dev/twin");
        await twin.AskAsync("GET", null, "g");
        Message answer;
        do
        {
            answer = await twin.AnswerAsync(); // That of the patch may have found the new link.
        }
        while (answer.Properties.GetCorrelationId() is not "g");

        Assert.Equal("""{"a":1,"$version":2}""", JsonNode.Parse(answer.Text())!["reported"]!.ToJsonString());
    }

    [Fact]
    public async Task A_hundred_requests_at_once_are_answered_in_order()
    {
        var twin = await AttachAsync(_client, "/devices/dev/twin");

        var asked = Enumerable.Range(0, 100)
            .Select(i => twin.AskAsync("PATCH", "/properties/reported", $"p{i}", $$"""{"n":{{i}}}""")).ToList();
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal($"p{i}", (await twin.AnswerAsync()).Properties.GetCorrelationId());
        }

        await Task.WhenAll(asked);
    }

    [Fact]
    public async Task A_module_has_its_own_twin()
    {
        var module = await _hub.CreateAsync("dev", "mod");
        await using var client = await AmqpDeviceClient.ConnectDeviceAsync(_hub, module);
        var twin = await AttachAsync(client, "/devices/dev/modules/mod/twin");
        await twin.AskAsync("PUT", Desired, "on");
        Assert.Equal(("on", 200, ""), await StatusAsync(twin));

        await ChangeAsync(_device, """{"of":"device"}""");
        await ChangeAsync(module, """{"of":"module"}""");

        Assert.Equal("""{"of":"module","$version":2}""", (await twin.AnswerAsync()).Text());
    }

    [Fact]
    public async Task Two_devices_of_one_connection_hear_of_their_own_changes()
    {
        var other = await _hub.CreateAsync("other");
        Assert.Equal(200, await _client.PutTokenAsync(_hub.DeviceToken(other)));
        var one = await AttachAsync(_client, "/devices/dev/twin");
        var two = await AttachAsync(_client, "/devices/other/twin", new Session(_client.Connection));
        foreach (var twin in new[] { one, two })
        {
            await twin.AskAsync("PUT", Desired, "on");
            Assert.Equal(("on", 200, ""), await StatusAsync(twin));
        }

        await ChangeAsync(other, """{"x":2}""");
        await ChangeAsync(_device, """{"x":1}""");

        Assert.Equal("""{"x":2,"$version":2}""", (await two.AnswerAsync()).Text());
        Assert.Equal("""{"x":1,"$version":2}""", (await one.AnswerAsync()).Text());
    }

    private static async Task<(object?, object?, string)> StatusAsync(TwinPair twin)
    {
        var answer = await twin.AnswerAsync();
        return (answer.Properties.GetCorrelationId(), answer.Annotation("status"), answer.Text());
    }

    private static async Task<TwinPair> AttachAsync(AmqpDeviceClient client, string address, Session? session = null)
    {
        void Change(Attach attach)
        {
            attach.SndSettleMode = SenderSettleMode.Settled;
            attach.RcvSettleMode = ReceiverSettleMode.First;
            attach.Properties = new Fields { [new Symbol("com.microsoft:channel-correlation-id")] = "twin:1" };
        }

        var requests = await client.SenderAsync(address, "TwinSenderLink", session, Change);
        var answers = await client.ReceiverAsync(address, session, Change);
        answers.Grant(200);
        return new TwinPair(requests, answers);
    }

    private static Message Request(string operation, string? resource, object id, string? body, bool version = false)
    {
        var message = new Message { Properties = new Properties(), MessageAnnotations = new MessageAnnotations() };
        message.Properties.SetCorrelationId(id);
        message.MessageAnnotations[new Symbol("operation")] = operation;
        if (resource is not null)
        {
            message.MessageAnnotations[new Symbol("resource")] = resource;
        }

        if (version)
        {
            message.MessageAnnotations[new Symbol("version")] = null; // As C# writes it.
        }

        if (body is not null)
        {
            message.BodySection = new Data { Binary = Encoding.UTF8.GetBytes(body) };
        }

        return message;
    }

    private async Task ChangeAsync(DeviceIdentity identity, string desired)
    {
        using var body = JsonDocument.Parse($$"""{"properties": {"desired": {{desired}} } }""");
        Assert.True(TwinUpdate.Read(body.RootElement, isReplace: false).TryGet(out var update, out var failure), failure?.ToString());
        var outcome = await _hub.Get<IDeviceDirectory>().Of(identity.Id).ChangeTwinAsync(update, ETagCondition.Any);
        Assert.Null(outcome.Failure);
    }

    private sealed record TwinPair(TestSender Requests, EventReceiver Answers)
    {
        public Task<Error?> AskAsync(string operation, string? resource, object id, string? body = null, bool version = false) =>
            Requests.SendAsync(Request(operation, resource, id, body, version));

        public Task<Message> AnswerAsync() => Answers.NextAsync();
    }

    private sealed class Keeper(EventReceiver receiver) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync() => await receiver.Link.CloseAsync();
    }
}
