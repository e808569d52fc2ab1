using System.Buffers;
using System.Text;
using Amqp;
using Amqp.Framing;
using Amqp.Types;
using Nave.Hub.Commands;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// A command as devices read it (spec/device-amqp.md 6). The widths count: C# passes over annotations of another AMQP type.
/// </summary>
internal static class CommandMessage
{
    /// <summary>Writes the encoded message.</summary>
    public static void Write(CommandDelivery delivery, ByteBufferWriter writer)
    {
        var encoded = Create(delivery).Encode();
        writer.Write(encoded.Buffer.AsSpan(encoded.Offset, encoded.Length));
    }

    private static Message Create(CommandDelivery delivery)
    {
        var command = delivery.Message;
        var sent = command.Properties;
        var properties = new Properties { To = sent.To };
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

        var annotations = new MessageAnnotations();
        annotations[new Symbol("x-opt-lock-token")] = delivery.LockToken.ToString("D");
        annotations[new Symbol("x-opt-sequence-number")] = (ulong)delivery.SequenceNumber;
        annotations[new Symbol("iothub-enqueuedtime")] = delivery.EnqueuedTime.UtcDateTime;
        annotations[new Symbol("iothub-deliverycount")] = (byte)Math.Min(delivery.DeliveryCount, byte.MaxValue);
        return new Message
        {
            Header = new Header { DeliveryCount = (uint)delivery.DeliveryCount },
            MessageAnnotations = annotations,
            Properties = properties,
            ApplicationProperties = CreateApplication(command),
            BodySection = new Data { Binary = command.Body.ToArray() },
        };
    }

    private static ApplicationProperties CreateApplication(CloudToDeviceMessage command)
    {
        var application = new ApplicationProperties();
        application["iothub-ack"] = CommandWords.Write(command.Acknowledgement);
        foreach (var (name, value) in command.Properties.Application)
        {
            application[name] = value ?? "";
        }

        if (command.Properties.CreationTime is { } creationTime)
        {
            application["iothub-creation-time-utc"] = creationTime;
        }

        if (command.Properties.Schema is { } schema)
        {
            application["iothub-message-schema"] = schema;
        }

        return application;
    }
}
