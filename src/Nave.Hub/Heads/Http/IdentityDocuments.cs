using System.Text.Json.Serialization;
using Nave.Hub.Devices;
using Nave.Protocol.Messages;

namespace Nave.Hub.Heads.Http;

/// <summary>A device as the registry shows it (spec/service-rest.md 4.1); members in the order of the service.</summary>
internal sealed record DeviceDocument
{
    public required string DeviceId { get; init; }

    public required string GenerationId { get; init; }

    public required string Etag { get; init; }

    public required string ConnectionState { get; init; }

    public required string Status { get; init; }

    public string? StatusReason { get; init; }

    public required string ConnectionStateUpdatedTime { get; init; }

    public required string StatusUpdatedTime { get; init; }

    public required string LastActivityTime { get; init; }

    public int CloudToDeviceMessageCount { get; init; }

    public required AuthenticationDocument Authentication { get; init; }

    public required CapabilitiesDocument Capabilities { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? DeviceScope { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? ParentScopes { get; init; }

    public static DeviceDocument Of(DeviceIdentity device, PresenceState presence, int queued) => new()
    {
        DeviceId = device.Id.Device.Value,
        GenerationId = device.GenerationId,
        Etag = device.ETag,
        ConnectionState = WireText.OfConnection(presence.IsConnected),
        Status = IdentityWords.OfStatus(device.IsEnabled),
        StatusReason = device.StatusReason,
        ConnectionStateUpdatedTime = WireText.OfTime(presence.UpdatedTime),
        StatusUpdatedTime = WireText.OfTime(device.StatusUpdatedTime),
        LastActivityTime = WireText.OfTime(presence.LastActivity),
        CloudToDeviceMessageCount = queued,
        Authentication = AuthenticationDocument.Of(device.Authentication),
        Capabilities = new CapabilitiesDocument(device.IsEdge),
        DeviceScope = device.DeviceScope,
        ParentScopes = device.ParentScopes.Count == 0 ? null : device.ParentScopes,
    };
}

/// <summary>A module as the registry shows it: no status of its own (spec/service-rest.md 5).</summary>
internal sealed record ModuleDocument
{
    public required string DeviceId { get; init; }

    public required string ModuleId { get; init; }

    public string? ManagedBy { get; init; }

    public required string GenerationId { get; init; }

    public required string Etag { get; init; }

    public required string ConnectionState { get; init; }

    public required string ConnectionStateUpdatedTime { get; init; }

    public required string LastActivityTime { get; init; }

    public int CloudToDeviceMessageCount { get; init; }

    public required AuthenticationDocument Authentication { get; init; }

    public static ModuleDocument Of(DeviceIdentity module, PresenceState presence, int queued) => new()
    {
        DeviceId = module.Id.Device.Value,
        ModuleId = module.Id.Module!.Value.Value,
        ManagedBy = module.ManagedBy,
        GenerationId = module.GenerationId,
        Etag = module.ETag,
        ConnectionState = WireText.OfConnection(presence.IsConnected),
        ConnectionStateUpdatedTime = WireText.OfTime(presence.UpdatedTime),
        LastActivityTime = WireText.OfTime(presence.LastActivity),
        CloudToDeviceMessageCount = queued,
        Authentication = AuthenticationDocument.Of(module.Authentication),
    };
}

/// <summary>How an identity proves itself, on the wire in both directions; every member on output, nulls too.</summary>
internal sealed record AuthenticationDocument(KeysDocument? SymmetricKey, ThumbprintsDocument? X509Thumbprint, string? Type)
{
    public static AuthenticationDocument Of(IdentityAuthentication authentication) => new(
        new KeysDocument(authentication.PrimaryKey, authentication.SecondaryKey),
        new ThumbprintsDocument(authentication.PrimaryThumbprint, authentication.SecondaryThumbprint),
        IdentityWords.Of(authentication.Type));

    public AuthenticationDraft ToDraft() => new()
    {
        Type = Type,
        PrimaryKey = SymmetricKey?.PrimaryKey,
        SecondaryKey = SymmetricKey?.SecondaryKey,
        PrimaryThumbprint = X509Thumbprint?.PrimaryThumbprint,
        SecondaryThumbprint = X509Thumbprint?.SecondaryThumbprint,
    };

    // The record's own text would hold the keys.
    public override string ToString() => Type ?? "";
}

internal sealed record KeysDocument(string? PrimaryKey, string? SecondaryKey)
{
    public override string ToString() => "";
}

internal sealed record ThumbprintsDocument(string? PrimaryThumbprint, string? SecondaryThumbprint);

internal sealed record CapabilitiesDocument(bool? IotEdge);

/// <summary>How moments and states are written.</summary>
internal static class WireText
{
    // spec/service-rest.md 4.1: what was never set.
    private const string Never = "0001-01-01T00:00:00";

    public static string OfTime(DateTimeOffset? time) =>
        time is { } known ? ServiceTime.Write(known) : Never;

    public static string OfConnection(bool isConnected) => isConnected ? "Connected" : "Disconnected";
}
