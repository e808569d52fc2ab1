namespace Nave.Protocol.Messages;

/// <summary>
/// The system properties that a sender may set, and its application properties in order
/// (spec/device-mqtt.md 4). Immutable: one instance may stand for many messages.
/// </summary>
public sealed record MessageProperties
{
    /// <summary>No properties at all.</summary>
    public static MessageProperties Empty { get; } = new();

    /// <summary><c>$.mid</c>, up to 128 characters.</summary>
    public string? MessageId { get; init; }

    /// <summary><c>$.cid</c>.</summary>
    public string? CorrelationId { get; init; }

    /// <summary><c>$.uid</c>; binary on AMQP, UTF-8 elsewhere.</summary>
    public string? UserId { get; init; }

    /// <summary><c>$.to</c>.</summary>
    public string? To { get; init; }

    /// <summary><c>$.ct</c>.</summary>
    public string? ContentType { get; init; }

    /// <summary><c>$.ce</c>.</summary>
    public string? ContentEncoding { get; init; }

    /// <summary><c>$.exp</c>, UTC.</summary>
    public DateTimeOffset? ExpiryTime { get; init; }

    /// <summary><c>$.ctime</c> as the sender wrote it; an application property <c>iothub-creation-time-utc</c> to readers.</summary>
    public string? CreationTime { get; init; }

    /// <summary><c>$.ifid</c>; annotation <c>iothub-interface-id</c>.</summary>
    public string? InterfaceId { get; init; }

    /// <summary><c>$.sub</c>, the component; annotation <c>dt-subject</c>.</summary>
    public string? Component { get; init; }

    /// <summary><c>$.on</c>, a module's output; application property <c>iothub-outputname</c>.</summary>
    public string? OutputName { get; init; }

    /// <summary><c>$.schema</c>; application property <c>iothub-message-schema</c>.</summary>
    public string? Schema { get; init; }

    /// <summary><c>$.diagid</c>; annotation <c>Diagnostic-Id</c>.</summary>
    public string? DiagnosticId { get; init; }

    /// <summary><c>$.diagctx</c>; annotation <c>Correlation-Context</c>.</summary>
    public string? DiagnosticContext { get; init; }

    /// <summary>The sender's own properties, in its order; a value may be null.</summary>
    public IReadOnlyList<KeyValuePair<string, string?>> Application { get; init; } = [];
}
