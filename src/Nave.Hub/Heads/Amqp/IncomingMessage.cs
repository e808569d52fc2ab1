using System.Globalization;
using System.Text;
using Amqp;
using Amqp.Framing;
using Amqp.Types;
using Nave.Protocol;
using Nave.Protocol.Errors;
using Nave.Protocol.Messages;

namespace Nave.Hub.Heads.Amqp;

/// <summary>A message that a device or back end sent, in the hub's words.</summary>
/// <param name="Properties">Its properties; ids and values are text whatever AMQP type they came in.</param>
/// <param name="Body">Its bytes.</param>
/// <param name="Acknowledgement"><c>iothub-ack</c> as written, or null.</param>
internal sealed record IncomingMessage(MessageProperties Properties, ReadOnlyMemory<byte> Body, string? Acknowledgement)
{
    /// <summary>Translates (spec/device-amqp.md 5, spec/service-amqp.md 4).</summary>
    public static Outcome<IncomingMessage> Read(Message message)
    {
        if (!TryReadBody(message, out var body))
        {
            return HubFailures.NotImplemented.Saying("A body is one or more data sections, or a string or binary value.");
        }

        var properties = message.Properties ?? new Properties();
        var messageId = ToText(properties.GetMessageId());
        var correlationId = ToText(properties.GetCorrelationId());
        if (messageId is { Length: > HubLimits.MaxMessageIdLength } || correlationId is { Length: > HubLimits.MaxMessageIdLength })
        {
            return HubFailures.ArgumentInvalid.Saying($"Message and correlation ids have at most {HubLimits.MaxMessageIdLength} characters.");
        }

        var result = new MessageProperties
        {
            MessageId = messageId,
            CorrelationId = correlationId,
            UserId = properties.UserId is { } user ? Encoding.UTF8.GetString(user) : null,
            To = properties.To,
            ContentType = ToText(properties.ContentType),
            ContentEncoding = ToText(properties.ContentEncoding),
            ExpiryTime = properties.HasField(8) ? new DateTimeOffset(DateTime.SpecifyKind(properties.AbsoluteExpiryTime, DateTimeKind.Utc)) : null,
            InterfaceId = Annotation(message, "iothub-interface-id"),
            Component = Annotation(message, "dt-subject"),
            DiagnosticId = Annotation(message, "Diagnostic-Id"),
            DiagnosticContext = Annotation(message, "Correlation-Context"),
        };
        return ReadApplication(message, result, body);
    }

    /// <summary>The data sections of a body; null when it is of another kind.</summary>
    public static IReadOnlyList<ByteBuffer>? DataSections(Message message) => message.BodySection switch
    {
        Data data => [ToBuffer(data)],
        DataList list => [.. Enumerable.Range(0, list.Count).Select(i => ToBuffer(list[i]))],
        _ => null,
    };

    private static Outcome<IncomingMessage> ReadApplication(Message message, MessageProperties properties, ReadOnlyMemory<byte> body)
    {
        if (message.ApplicationProperties?.Map is not { Count: > 0 } map)
        {
            return new IncomingMessage(properties, body, null);
        }

        var application = new List<KeyValuePair<string, string?>>(map.Count);
        string? acknowledgement = null;
        foreach (var (key, value) in map)
        {
            if (value is null)
            {
                continue;
            }

            var name = (string)key;
            if (ToText(value) is not { } text)
            {
                return HubFailures.ArgumentInvalid.Saying("The value of an application property is neither text nor a number nor a boolean.");
            }

            switch (name)
            {
                case "iothub-ack":
                    acknowledgement = text;
                    break;
                case "iothub-creation-time-utc":
                    properties = properties with { CreationTime = text };
                    break;
                case "iothub-message-schema":
                    properties = properties with { Schema = text };
                    break;
                case "iothub-outputname":
                    properties = properties with { OutputName = text };
                    break;
                default:
                    application.Add(new(name, text));
                    break;
            }
        }

        return new IncomingMessage(properties with { Application = application }, body, acknowledgement);
    }

    /// <summary>The bytes of a body; false when it is of a kind that has none. Valid as long as the message is.</summary>
    public static bool TryReadBody(Message message, out ReadOnlyMemory<byte> body)
    {
        body = default;
        switch (message.BodySection)
        {
            case null or AmqpValue { Value: null }:
                return true;
            case AmqpValue { Value: string text }:
                body = Encoding.UTF8.GetBytes(text);
                return true;
            case AmqpValue { Value: byte[] bytes }:
                body = bytes;
                return true;
            default:
                if (DataSections(message) is not { } sections)
                {
                    return false;
                }

                body = sections.Count == 1 ? ToMemory(sections[0]) : Join(sections);
                return true;
        }
    }

    private static byte[] Join(IReadOnlyList<ByteBuffer> sections)
    {
        var joined = new byte[sections.Sum(section => section.Length)];
        var at = 0;
        foreach (var section in sections)
        {
            ToMemory(section).CopyTo(joined.AsMemory(at));
            at += section.Length;
        }

        return joined;
    }

    private static ByteBuffer ToBuffer(Data data) => data.Buffer ?? new ByteBuffer(data.Binary ?? [], 0, data.Binary?.Length ?? 0, data.Binary?.Length ?? 0);

    private static ReadOnlyMemory<byte> ToMemory(ByteBuffer buffer) => buffer.Buffer.AsMemory(buffer.Offset, buffer.Length);

    private static string? Annotation(Message message, string name) =>
        message.MessageAnnotations?.Map is { } map && map.TryGetValue(new Symbol(name), out var value) ? ToText(value) : null;

    // A uuid in the form that every reader expects, lower-case with dashes; numbers and booleans in the invariant culture.
    private static string? ToText(object? value) => value switch
    {
        null => null,
        string text => text,
        Symbol symbol => symbol,
        bool truth => truth ? "true" : "false",
        Guid id => id.ToString("D"),
        DateTime moment => moment.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture),
        byte[] bytes => Convert.ToBase64String(bytes),
        float or double => ((IFormattable)value).ToString("R", CultureInfo.InvariantCulture),
        sbyte or byte or short or ushort or int or uint or long or ulong or char => Convert.ToString(value, CultureInfo.InvariantCulture),
        _ => null,
    };
}
