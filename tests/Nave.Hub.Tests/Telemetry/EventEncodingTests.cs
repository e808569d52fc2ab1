using System.Buffers;
using System.Text;
using Amqp;
using Amqp.Framing;
using Amqp.Types;
using Nave.EventLog;
using Nave.Hub.Telemetry;
using Nave.Protocol.Messages;
using Nave.Tests;

namespace Nave.Hub.Tests.Telemetry;

public sealed class EventEncodingTests
{
    private const long EnqueuedTime = 1_790_000_000_123;

    private static readonly MessageProperties Full = new()
    {
        MessageId = "mid 1/é",
        CorrelationId = "cid",
        UserId = "ü",
        To = "/devices/d/messages/events",
        ContentType = "application/json",
        ContentEncoding = "utf-8",
        ExpiryTime = DateTimeOffset.FromUnixTimeMilliseconds(1_800_000_000_000),
        CreationTime = "2026-11-25T10:00:00.0000000Z",
        InterfaceId = "urn:if:1",
        Component = "comp1",
        OutputName = "out",
        Schema = "s",
        DiagnosticId = "diag",
        DiagnosticContext = "ctx",
        Application = [new("p 1", "v/1&=é%"), new("empty", ""), new("none", null)],
    };

    [Fact]
    public void Another_codec_reads_every_property_under_its_name()
    {
        var message = Decode(Full, "hello"u8.ToArray());

        Assert.Equal("mid 1/é", message.Properties.MessageId);
        Assert.Equal("cid", message.Properties.CorrelationId);
        Assert.Equal(Encoding.UTF8.GetBytes("ü"), message.Properties.UserId);
        Assert.Equal("/devices/d/messages/events", message.Properties.To);
        Assert.Equal("application/json", message.Properties.ContentType);
        Assert.Equal("utf-8", message.Properties.ContentEncoding);
        Assert.Equal(1_800_000_000_000, new DateTimeOffset(message.Properties.AbsoluteExpiryTime).ToUnixTimeMilliseconds());
        Assert.Equal("urn:if:1", message.MessageAnnotations[new Symbol("iothub-interface-id")]);
        Assert.Equal("comp1", message.MessageAnnotations[new Symbol("dt-subject")]);
        Assert.Equal("diag", message.MessageAnnotations[new Symbol("Diagnostic-Id")]);
        Assert.Equal("ctx", message.MessageAnnotations[new Symbol("Correlation-Context")]);
        Assert.Equal("v/1&=é%", message.ApplicationProperties["p 1"]);
        Assert.Equal("", message.ApplicationProperties["empty"]);
        Assert.Equal("", message.ApplicationProperties["none"]);
        Assert.Equal("2026-11-25T10:00:00.0000000Z", message.ApplicationProperties["iothub-creation-time-utc"]);
        Assert.Equal("out", message.ApplicationProperties["iothub-outputname"]);
        Assert.Equal("s", message.ApplicationProperties["iothub-message-schema"]);
        Assert.Equal("hello"u8.ToArray(), ((Data)message.BodySection).Binary);
    }

    [Fact]
    [Conformance("events-endpoint", 28)]
    public void The_hub_stamps_position_time_and_sender_with_the_types_that_readers_cast_to()
    {
        var annotations = Decode(MessageProperties.Empty, []).MessageAnnotations;

        Assert.Equal(7L, annotations[new Symbol("x-opt-sequence-number")]);
        Assert.Equal("7", annotations[new Symbol("x-opt-offset")]);
        var time = Assert.IsType<DateTime>(annotations[new Symbol("x-opt-enqueued-time")]);
        Assert.Equal(EnqueuedTime, new DateTimeOffset(time).ToUnixTimeMilliseconds());
        Assert.IsType<DateTime>(annotations[new Symbol("iothub-enqueuedtime")]);
        Assert.Equal("dev", annotations[new Symbol("iothub-connection-device-id")]);
        Assert.Equal("mod", annotations[new Symbol("iothub-connection-module-id")]);
        Assert.Equal("638", annotations[new Symbol("iothub-connection-auth-generation-id")]);
        Assert.Equal("""{"scope":"device"}""", annotations[new Symbol("iothub-connection-auth-method")]);
        Assert.Equal("Telemetry", annotations[new Symbol("iothub-message-source")]);
        Assert.Equal("dtmi:a:b;1", annotations[new Symbol("dt-dataschema")]);
    }

    [Theory]
    [Conformance("messaging-semantics", 14)]
    [InlineData("iothub-connection-device-id")]
    [InlineData("IOTHUB-connection-auth-method")]
    [InlineData("x-opt-offset")]
    public void A_sender_cannot_set_what_the_hub_stamps(string name)
    {
        var message = Decode(new MessageProperties { Application = [new(name, "forged"), new("mine", "kept")] }, []);

        Assert.Equal("kept", message.ApplicationProperties["mine"]);
        Assert.Single(message.ApplicationProperties.Map);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(255)]
    [InlineData(256)]
    [InlineData(262_144)]
    public void Bodies_of_every_size_come_back_untouched(int size)
    {
        var body = new byte[size];
        new Random(size).NextBytes(body);

        Assert.Equal(body, ((Data)Decode(MessageProperties.Empty, body).BodySection).Binary);
    }

    [Fact]
    public void Long_values_and_many_properties_use_the_wide_encodings()
    {
        var many = Enumerable.Range(0, 300).Select(i => new KeyValuePair<string, string?>($"name{i}", new string('x', i)));

        var message = Decode(new MessageProperties { MessageId = new string('m', 128), Application = [.. many] }, []);

        Assert.Equal(300, message.ApplicationProperties.Map.Count);
        Assert.Equal(new string('x', 299), message.ApplicationProperties["name299"]);
    }

    [Fact]
    public void An_unknown_encoding_version_is_reported_and_not_guessed()
    {
        var record = new LogRecord(3, EnqueuedTime, new byte[] { 3, 0, 0, 0, 0, 0, 0 });

        var error = Assert.Throws<LogCorruptException>(() => EventEncoding.WriteMessage(record, new ArrayBufferWriter<byte>()));
        Assert.Contains("version 3", error.Message);
    }

    [Fact]
    public void What_the_version_before_has_stored_reads_the_same()
    {
        // Written by the code of version 1: "d", key authentication, generation "638", "Telemetry".
        var before = Convert.FromHexString(
            "01" + "04" + "00dc"
            + Symbol("iothub-connection-device-id") + Text("d")
            + Symbol("iothub-connection-auth-method") + Text(DeviceKey)
            + Symbol("iothub-connection-auth-generation-id") + Text("638")
            + Symbol("iothub-message-source") + Text("Telemetry"));
        Assert.Equal(4 + 0xdc, before.Length);
        var now = SenderBlock.Encode("d", null, "638", DeviceKey, "Telemetry", null);

        Assert.Equal(Write([.. before, 0, 0, 0]), Write([.. now, 0, 0, 0]));

        static string Symbol(string text) => "a3" + Hex(text);
        static string Text(string text) => "a1" + Hex(text);
        static string Hex(string text) => text.Length.ToString("x2") + Convert.ToHexString(Encoding.UTF8.GetBytes(text));
    }

    [Fact]
    public void A_small_event_is_little_more_on_disk_than_what_was_sent()
    {
        var block = SenderBlock.Encode("sensor-1", null, "638000000000000000", DeviceKey, "Telemetry", null);

        Assert.Equal(2 + 1 + 8 + 2 + 1 + 18 + 2, block.Length); // Head, device, authentication, generation, source.
    }

    [Theory]
    [InlineData(1)]
    [InlineData(253)]
    [InlineData(254)]
    [InlineData(255)]
    [InlineData(256)]
    [InlineData(2048)]
    public void A_sender_value_of_every_length_comes_back(int length)
    {
        var model = new string('é', length / 2) + new string('m', length % 2);
        byte[] stored = [.. SenderBlock.Encode(null, null, null, null, "Telemetry", model), 0, 0, 0];

        var bytes = Write(stored);

        var annotations = Message.Decode(new ByteBuffer(bytes, 0, bytes.Length, bytes.Length)).MessageAnnotations;
        Assert.Equal(model, annotations[new Symbol("dt-dataschema")]);
        Assert.Equal("Telemetry", annotations[new Symbol("iothub-message-source")]);
    }

    [Theory]
    [InlineData(new byte[] { 2, 1, 254, 200 })] // A usual value
    [InlineData(new byte[] { 2, 128, 0 })] // and an annotation of a later version.
    public void What_a_later_version_has_written_is_reported(byte[] block) =>
        Assert.Throws<LogCorruptException>(() => Write([.. block, 0, 0, 0]));

    private const string DeviceKey = """{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}""";

    private static byte[] Write(byte[] stored)
    {
        var written = new ArrayBufferWriter<byte>();
        EventEncoding.WriteMessage(new LogRecord(7, EnqueuedTime, stored), written);
        return written.WrittenSpan.ToArray();
    }

    private static Message Decode(MessageProperties properties, byte[] body)
    {
        var sender = SenderBlock.Encode("dev", "mod", "638", """{"scope":"device"}""", "Telemetry", "dtmi:a:b;1");
        var header = new byte[EventEncoding.MaxDataHeaderBytes];
        var headerBytes = EventEncoding.WriteDataHeader(header, body.Length);
        byte[] stored = [.. sender, .. EventEncoding.EncodeMessageBlock(properties), .. header[..headerBytes], .. body];

        var bytes = Write(stored);
        return Message.Decode(new ByteBuffer(bytes, 0, bytes.Length, bytes.Length));
    }
}
