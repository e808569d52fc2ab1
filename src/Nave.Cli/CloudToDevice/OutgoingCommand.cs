using Amqp;
using Amqp.Framing;
using Nave.Protocol.Identities;

namespace Nave.Cli.CloudToDevice;

/// <summary>A command that a back end sends, as AMQP carries it (spec/service-amqp.md 4).</summary>
internal sealed record OutgoingCommand
{
    /// <summary>Whom it is for.</summary>
    public required IdentityId Target { get; init; }

    /// <summary>What feedback about it refers to.</summary>
    public required string MessageId { get; init; }

    /// <summary>The bytes.</summary>
    public ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>What it answers, in the sender's own words.</summary>
    public string? CorrelationId { get; init; }

    /// <summary>What the body is.</summary>
    public string? ContentType { get; init; }

    /// <summary>How the body is encoded.</summary>
    public string? ContentEncoding { get; init; }

    /// <summary>Which outcomes give feedback: none, positive, negative or full.</summary>
    public string Acknowledgement { get; init; } = "none";

    /// <summary>When it is given up; null for the hub's default.</summary>
    public DateTimeOffset? Expiry { get; init; }

    /// <summary>The sender's own properties.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Properties { get; init; } = [];

    /// <summary>The message.</summary>
    public Message ToMessage()
    {
        var properties = new Properties { MessageId = MessageId, To = Address(Target) };
        if (CorrelationId is not null)
        {
            properties.CorrelationId = CorrelationId;
        }

        if (ContentType is not null)
        {
            properties.ContentType = ContentType;
        }

        if (ContentEncoding is not null)
        {
            properties.ContentEncoding = ContentEncoding;
        }

        if (Expiry is { } expiry)
        {
            properties.AbsoluteExpiryTime = expiry.UtcDateTime;
        }

        var application = new ApplicationProperties { ["iothub-ack"] = Acknowledgement };
        foreach (var (name, value) in Properties)
        {
            application[name] = value;
        }

        return new Message { Properties = properties, ApplicationProperties = application, BodySection = new Data { Binary = Body.ToArray() } };
    }

    private static string Address(IdentityId id) =>
        $"/devices/{Uri.EscapeDataString(id.Device.Value)}"
        + (id.Module is { } module ? $"/modules/{Uri.EscapeDataString(module.Value)}" : "")
        + "/messages/devicebound";
}
