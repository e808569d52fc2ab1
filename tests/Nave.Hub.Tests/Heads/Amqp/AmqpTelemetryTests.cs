using Amqp;
using Amqp.Framing;
using Amqp.Types;
using Nave.Hub.Heads.Amqp;
using Nave.Hub.Tests.Harness;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Amqp;

/// <summary>Device-to-cloud messages over AMQP, against a whole hub.</summary>
public sealed class AmqpTelemetryTests : IAsyncLifetime
{
    private TestHub _hub = null!;

    public async ValueTask InitializeAsync() => _hub = await DeviceHub.StartAsync();

    public ValueTask DisposeAsync() => _hub.DisposeAsync();

    [Fact]
    [Conformance("device-amqp", 6)]
    public async Task Every_spelling_of_the_events_address_reaches_the_device()
    {
        var device = await _hub.CreateAsync("dev-1");
        await using var client = await AmqpDeviceClient.ConnectDeviceAsync(_hub, device);
        string[] addresses =
        [
            "/devices/dev-1/messages/events", "devices/dev-1/messages/events", "/Devices/dev-1/Messages/Events",
            $"amqps://{_hub.HostName}:5671/devices/dev-1/messages/events", $"amqps://{_hub.HostName}/devices/dev-1/messages/events",
        ];
        foreach (var address in addresses)
        {
            var sender = await client.SenderAsync(address);
            Assert.Null(await sender.SendAsync(address));
        }

        await using var reader = await AmqpDeviceClient.ConnectPolicyAsync(_hub, "service");
        var events = await reader.EventsAsync();
        Assert.Equal(addresses, await events.BodiesAsync(addresses.Length));
    }

    [Theory]
    [InlineData("a+b", "a+b")]
    [InlineData("a+b", "a%2Bb")]
    [InlineData("a%20b", "a%20b")]
    [InlineData("a#b%", "a%23b%25")]
    [InlineData("a@b", "a%40b")]
    public async Task Ids_are_found_raw_percent_encoded_and_form_encoded(string id, string segment)
    {
        var device = await _hub.CreateAsync(id);
        await using var client = await AmqpDeviceClient.ConnectPolicyAsync(_hub, "device");
        var sender = await client.SenderAsync($"/devices/{segment}/messages/events");
        Assert.Null(await sender.SendAsync("hello"));

        await using var reader = await AmqpDeviceClient.ConnectPolicyAsync(_hub, "service");
        var received = await (await reader.EventsAsync()).NextAsync();
        Assert.Equal(device.Id.Device.Value, received.Annotation("iothub-connection-device-id"));
    }

    [Fact]
    [Conformance("device-amqp", 12, 27)]
    public async Task Properties_arrive_as_text_and_what_the_hub_stamps_is_the_hubs()
    {
        var device = await _hub.CreateAsync("dev-1");
        await using var client = await AmqpDeviceClient.ConnectDeviceAsync(_hub, device);
        var sender = await client.SenderAsync("/devices/dev-1/messages/events");
        var id = new Guid("0F8FAD5B-D9CB-469F-A165-70867728950E");
        var message = new Message
        {
            Properties = new Properties { To = "/devices/dev-1/messages/events", ContentType = "application/json", ContentEncoding = "utf-8", UserId = "me"u8.ToArray() },
            MessageAnnotations = new MessageAnnotations(),
            ApplicationProperties = new ApplicationProperties
            {
                ["text"] = "ü",
                ["number"] = 17,
                ["fraction"] = 0.5,
                ["truth"] = true,
                ["nothing"] = null,
                ["iothub-connection-device-id"] = "other",
                ["iothub-creation-time-utc"] = "2026-01-02T03:04:05Z",
            },
            BodySection = new Data { Binary = "{}"u8.ToArray() },
        };
        message.MessageAnnotations[new Symbol("iothub-connection-device-id")] = "other";
        message.MessageAnnotations[new Symbol("dt-subject")] = "thermostat";
        message.Properties.SetMessageId(id);
        message.Properties.SetCorrelationId(id);
        Assert.Null(await sender.SendAsync(message));

        await using var reader = await AmqpDeviceClient.ConnectPolicyAsync(_hub, "service");
        var received = await (await reader.EventsAsync()).NextAsync();
        Assert.Equal(id.ToString("D"), received.Properties.GetMessageId());
        Assert.Equal(id.ToString("D"), received.Properties.GetCorrelationId());
        Assert.Equal("application/json", (string)received.Properties.ContentType);
        Assert.Equal("me"u8.ToArray(), received.Properties.UserId);
        Assert.Equal("dev-1", received.Annotation("iothub-connection-device-id"));
        Assert.Equal(device.GenerationId, received.Annotation("iothub-connection-auth-generation-id"));
        Assert.Equal("thermostat", received.Annotation("dt-subject"));
        var properties = received.ApplicationProperties.Map;
        Assert.Equal(("ü", "17", "0.5", "true"), (properties["text"], properties["number"], properties["fraction"], properties["truth"]));
        Assert.Equal("2026-01-02T03:04:05Z", properties["iothub-creation-time-utc"]);
        Assert.False(properties.ContainsKey("nothing"));
        Assert.False(properties.ContainsKey("iothub-connection-device-id"));
    }

    [Fact]
    [Conformance("device-amqp", 11)]
    public async Task A_batch_is_expanded_in_order_or_refused_whole()
    {
        var device = await _hub.CreateAsync("dev-1");
        await using var client = await AmqpDeviceClient.ConnectDeviceAsync(_hub, device);
        var sender = await client.SenderAsync("/devices/dev-1/messages/events");
        var refused = await sender.SendAsync(Batch("a", new string('x', 262_145), "c"));
        Assert.Equal("amqp:link:message-size-exceeded", refused?.Condition);
        Assert.Null(await sender.SendAsync(Batch("1", "2", "3")));
        Assert.Null(await sender.SendAsync("4"));

        await using var reader = await AmqpDeviceClient.ConnectPolicyAsync(_hub, "service");
        Assert.Equal(["1", "2", "3", "4"], await (await reader.EventsAsync()).BodiesAsync(4));
    }

    [Fact]
    [Conformance("device-amqp", 30)]
    [Conformance("messaging-semantics", 13)]
    public async Task A_message_of_256_KB_over_several_frames_is_accepted_and_one_byte_more_is_not()
    {
        var device = await _hub.CreateAsync("dev-1");
        await using var client = await AmqpDeviceClient.ConnectDeviceAsync(_hub, device);
        var sender = await client.SenderAsync("/devices/dev-1/messages/events");
        Assert.Equal("amqp:link:message-size-exceeded", (await sender.SendAsync(new string('x', 262_145)))?.Condition);
        Assert.Equal("amqp:link:message-size-exceeded", (await sender.SendAsync(new string('x', 3_000_000)))?.Condition);
        Assert.Null(await sender.SendAsync(new string('y', 262_144)));
        Assert.Null(await sender.SendAsync("after"));

        await using var reader = await AmqpDeviceClient.ConnectPolicyAsync(_hub, "service");
        var bodies = await (await reader.EventsAsync()).BodiesAsync(2);
        Assert.Equal([262_144, 5], bodies.Select(body => body.Length));
    }

    [Fact]
    public async Task A_message_that_cannot_be_taken_is_rejected_and_the_link_stays()
    {
        var device = await _hub.CreateAsync("dev-1");
        await using var client = await AmqpDeviceClient.ConnectDeviceAsync(_hub, device);
        var sender = await client.SenderAsync("/devices/dev-1/messages/events");
        var spoofed = new Message { Properties = new Properties { To = "/devices/dev-2/messages/events" }, BodySection = new Data { Binary = [1] } };
        Assert.Equal("amqp:not-allowed", (await sender.SendAsync(spoofed))?.Condition);
        var sequence = new Message { BodySection = new AmqpSequence { List = new List { 1, 2 } } };
        Assert.Equal("amqp:not-implemented", (await sender.SendAsync(sequence))?.Condition);
        var longId = new Message { Properties = new Properties { MessageId = new string('i', 129) }, BodySection = new Data { Binary = [1] } };
        Assert.Equal("com.microsoft:argument-error", (await sender.SendAsync(longId))?.Condition);
        Assert.Null(await sender.SendAsync(new Message { BodySection = new AmqpValue { Value = "text" } }));
        Assert.Null(await sender.SendAsync(new Message()));
    }

    [Fact]
    public async Task Many_messages_in_flight_are_all_accepted_and_keep_their_order()
    {
        var device = await _hub.CreateAsync("dev-1");
        await using var client = await AmqpDeviceClient.ConnectDeviceAsync(_hub, device);
        var sender = await client.SenderAsync("/devices/dev-1/messages/events");
        var bodies = Enumerable.Range(0, 1000).Select(i => i.ToString(System.Globalization.CultureInfo.InvariantCulture)).ToArray();
        var outcomes = await Task.WhenAll(bodies.Select(sender.SendAsync));
        Assert.All(outcomes, Assert.Null);

        await using var reader = await AmqpDeviceClient.ConnectPolicyAsync(_hub, "service");
        Assert.Equal(bodies, await (await reader.EventsAsync()).BodiesAsync(bodies.Length));
    }

    [Fact]
    public async Task A_sender_that_settles_first_is_tolerated()
    {
        var device = await _hub.CreateAsync("dev-1");
        await using var client = await AmqpDeviceClient.ConnectDeviceAsync(_hub, device);
        var sender = await client.SenderAsync("/devices/dev-1/messages/events", change: attach => attach.SndSettleMode = SenderSettleMode.Settled);
        for (var i = 0; i < 500; i++)
        {
#pragma warning disable CA1849 // Without a callback nothing is waited for, which is what a settled send is.
            sender.Link.Send(new Message { BodySection = new Data { Binary = [1] } }, null, null);
#pragma warning restore CA1849
        }

        Assert.Null(await sender.SendAsync("last"));
        await using var reader = await AmqpDeviceClient.ConnectPolicyAsync(_hub, "service");
        Assert.Equal("last", (await (await reader.EventsAsync()).BodiesAsync(501))[500]);
    }

    private static Message Batch(params string[] bodies)
    {
        var sections = new DataList();
        foreach (var body in bodies)
        {
            var inner = new Message { BodySection = new Data { Binary = System.Text.Encoding.UTF8.GetBytes(body) } }.Encode();
            sections.Add(new Data { Binary = inner.Buffer.AsSpan(inner.Offset, inner.Length).ToArray() });
        }

        return new Message { Format = TelemetryReader.BatchFormat, BodySection = sections };
    }
}
