using Nave.Hub.Devices;
using Nave.Protocol.Identities;

namespace Nave.Hub.Twins;

/// <summary>A twin with all that its document shows of the identity and its connection (spec/service-rest.md 6.1).</summary>
internal sealed record TwinDocument
{
    public required IdentityId Id { get; init; }

    public required TwinRow Twin { get; init; }

    /// <summary>The identity's own ETag.</summary>
    public required string DeviceETag { get; init; }

    /// <summary>Of a module: its device's.</summary>
    public required bool IsEnabled { get; init; }

    public string? StatusReason { get; init; }

    public DateTimeOffset? StatusUpdatedTime { get; init; }

    public required PresenceState Presence { get; init; }

    public required long CloudToDeviceMessageCount { get; init; }

    public required AuthenticationType AuthenticationType { get; init; }

    public string? PrimaryThumbprint { get; init; }

    public string? SecondaryThumbprint { get; init; }

    public required bool IsEdge { get; init; }

    public string? DeviceScope { get; init; }

    public string? ParentScope { get; init; }
}
