using Nave.Hub.Devices;
using Nave.Hub.Telemetry;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>What a PUBLISH asks for, read from its topic. A view on the topic: valid as long as that is.</summary>
internal readonly ref struct PublishIntent
{
    private PublishIntent(PublishKind kind) => Kind = kind;

    /// <summary>Which of the members below count.</summary>
    public PublishKind Kind { get; }

    /// <summary>Of <see cref="PublishKind.Telemetry"/>.</summary>
    public TelemetryProperties? Properties { get; private init; }

    /// <summary>Of twin requests and method results: to be echoed byte for byte.</summary>
    public ReadOnlySpan<byte> RequestId { get; private init; }

    /// <summary>Of method results: the device's own number.</summary>
    public int Status { get; private init; }

    /// <summary>Of <see cref="PublishKind.TwinPatch"/>: what the reported <c>$version</c> must be, or null.</summary>
    public long? ExpectedVersion { get; private init; }

    /// <summary>Of <see cref="PublishKind.Refused"/>: why the connection must end.</summary>
    public CloseReason Reason { get; private init; }

    /// <summary>Of <see cref="PublishKind.Refused"/>: what the operator is told.</summary>
    public HubFailure? Failure { get; private init; }

    public static PublishIntent Telemetry(TelemetryProperties properties) =>
        new(PublishKind.Telemetry) { Properties = properties };

    public static PublishIntent Request(PublishKind kind, ReadOnlySpan<byte> requestId, long? expectedVersion = null) =>
        new(kind) { RequestId = requestId, ExpectedVersion = expectedVersion };

    public static PublishIntent MethodResult(int status, ReadOnlySpan<byte> requestId) =>
        new(PublishKind.MethodResult) { Status = status, RequestId = requestId };

    public static PublishIntent Refused(CloseReason reason, HubFailure failure) =>
        new(PublishKind.Refused) { Reason = reason, Failure = failure };
}

/// <summary>Kinds of <see cref="PublishIntent"/>.</summary>
internal enum PublishKind
{
    /// <summary>No topic of this connection: it must end.</summary>
    Refused,

    /// <summary>A device-to-cloud message.</summary>
    Telemetry,

    /// <summary>The device asks for its twin.</summary>
    TwinGet,

    /// <summary>The device changes its reported properties.</summary>
    TwinPatch,

    /// <summary>The result of a direct method.</summary>
    MethodResult,
}
