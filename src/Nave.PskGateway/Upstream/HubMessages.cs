using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Amqp;
using Amqp.Framing;
using Amqp.Types;
using Nave.Protocol.Messages;

namespace Nave.PskGateway.Upstream;

/// <summary>Messages of devices as AMQP has them, and back (spec/device-amqp.md 5 and 6).</summary>
internal static class HubMessages
{
    // The widest an encoded header, properties and map of application properties are beyond their texts.
    private const int Overhead = 256;
    private const int PerProperty = 16;

    // properties.absolute-expiry-time, in the list's order.
    private const int ExpiryField = 8;

    /// <summary>A telemetry message. Borrows the body: to be encoded before it is given back.</summary>
    public static Message ToTelemetry(MessageProperties sent, ReadOnlyMemory<byte> body) => new()
    {
        MessageAnnotations = CreateAnnotations(sent),
        Properties = CreateProperties(sent),
        ApplicationProperties = CreateApplication(sent),
        BodySection = ToData(body),
    };

    /// <summary>About how many bytes a message has on the wire.</summary>
    public static int SizeOf(MessageProperties sent, ReadOnlyMemory<byte> body)
    {
        var size = Overhead + body.Length;
        foreach (var (name, value) in sent.Application)
        {
            size += PerProperty + name.Length + (value?.Length ?? 0);
        }

        return size;
    }

    /// <summary>A command of the hub.</summary>
    public static HubCommand ToCommand(string token, Message message)
    {
        var properties = message.Properties ?? new Properties();
        var application = new List<KeyValuePair<string, string?>>();
        string? acknowledgement = null, creationTime = null, schema = null;
        foreach (var (key, value) in message.ApplicationProperties?.Map ?? [])
        {
            switch (key as string)
            {
                case null:
                    break;
                case "iothub-ack":
                    acknowledgement = ToText(value);
                    break;
                case "iothub-creation-time-utc":
                    creationTime = ToText(value);
                    break;
                case "iothub-message-schema":
                    schema = ToText(value);
                    break;
                case var name:
                    application.Add(new(name, ToText(value)));
                    break;
            }
        }

        return new HubCommand(
            token,
            new MessageProperties
            {
                MessageId = ToText(properties.GetMessageId()),
                CorrelationId = ToText(properties.GetCorrelationId()),
                UserId = properties.UserId is { } user ? Encoding.UTF8.GetString(user) : null,
                To = properties.To,
                ContentType = ToText(properties.ContentType),
                ContentEncoding = ToText(properties.ContentEncoding),
                ExpiryTime = properties.HasField(ExpiryField)
                    ? new DateTimeOffset(DateTime.SpecifyKind(properties.AbsoluteExpiryTime, DateTimeKind.Utc))
                    : null,
                CreationTime = creationTime,
                Schema = schema,
                Application = application,
            },
            acknowledgement,
            BodyOf(message));
    }

    /// <summary>The bytes of a body, owned by the caller; empty for a body that has none.</summary>
    public static ReadOnlyMemory<byte> BodyOf(Message message) => message.BodySection switch
    {
        AmqpValue { Value: string text } => Encoding.UTF8.GetBytes(text),
        AmqpValue { Value: byte[] bytes } => bytes,
        DataList list => Enumerable.Range(0, list.Count).SelectMany(i => list[i].Binary ?? []).ToArray(),
        Data data => data.Binary ?? [],
        _ => ReadOnlyMemory<byte>.Empty,
    };

    /// <summary>A data section over memory that the caller keeps until the message is encoded.</summary>
    public static Data ToData(ReadOnlyMemory<byte> body) =>
        MemoryMarshal.TryGetArray(body, out var segment) && segment.Array is { } array
            ? new Data { Buffer = new ByteBuffer(array, segment.Offset, segment.Count, segment.Count) }
            : new Data { Binary = body.ToArray() };

    /// <summary>An entry of the message's annotations, or null.</summary>
    public static object? Annotation(Message message, string name) =>
        message.MessageAnnotations?.Map is { } map && map.TryGetValue(new Symbol(name), out var value) ? value : null;

    /// <summary>The <c>$version</c> of a patch; 0 when it has none.</summary>
    public static long VersionOf(ReadOnlySpan<byte> patch)
    {
        var reader = new Utf8JsonReader(patch);
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType is JsonTokenType.PropertyName && reader.CurrentDepth == 1 && reader.ValueTextEquals("$version"u8))
                {
                    return reader.Read() && reader.TokenType is JsonTokenType.Number && reader.TryGetInt64(out var version) ? version : 0;
                }
            }
        }
        catch (JsonException)
        {
            // The device gets what the hub sent.
        }

        return 0;
    }

    private static Properties CreateProperties(MessageProperties sent)
    {
        var properties = new Properties();
        if (sent.MessageId is { } messageId)
        {
            properties.SetMessageId(messageId);
        }

        if (sent.CorrelationId is { } correlationId)
        {
            properties.SetCorrelationId(correlationId);
        }

        if (sent.UserId is { } user)
        {
            properties.UserId = Encoding.UTF8.GetBytes(user);
        }

        if (sent.To is { } to)
        {
            properties.To = to;
        }

        if (sent.ContentType is { } contentType)
        {
            properties.ContentType = contentType;
        }

        if (sent.ContentEncoding is { } contentEncoding)
        {
            properties.ContentEncoding = contentEncoding;
        }

        if (sent.ExpiryTime is { } expiry)
        {
            properties.AbsoluteExpiryTime = expiry.UtcDateTime;
        }

        return properties;
    }

    private static ApplicationProperties? CreateApplication(MessageProperties sent)
    {
        var application = new ApplicationProperties();
        foreach (var (name, value) in sent.Application)
        {
            application[name] = value ?? "";
        }

        Set("iothub-creation-time-utc", sent.CreationTime);
        Set("iothub-message-schema", sent.Schema);
        Set("iothub-outputname", sent.OutputName);
        return application.Map.Count > 0 ? application : null;

        void Set(string name, string? value)
        {
            if (value is not null)
            {
                application[name] = value;
            }
        }
    }

    private static MessageAnnotations? CreateAnnotations(MessageProperties sent)
    {
        if (sent is { InterfaceId: null, Component: null, DiagnosticId: null, DiagnosticContext: null })
        {
            return null;
        }

        var annotations = new MessageAnnotations();
        Set("iothub-interface-id", sent.InterfaceId);
        Set("dt-subject", sent.Component);
        Set("Diagnostic-Id", sent.DiagnosticId);
        Set("Correlation-Context", sent.DiagnosticContext);
        return annotations;

        void Set(string name, string? value)
        {
            if (value is not null)
            {
                annotations[new Symbol(name)] = value;
            }
        }
    }

    private static string? ToText(object? value) => value switch
    {
        null => null,
        string text => text,
        Symbol symbol => symbol,
        Guid id => id.ToString("D"),
        bool truth => truth ? "true" : "false",
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString(),
    };
}
