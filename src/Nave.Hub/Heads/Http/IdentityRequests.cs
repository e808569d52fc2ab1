using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;
using Nave.Hub.Devices;
using Nave.Hub.Twins;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Heads.Http;

/// <summary>
/// The body of a PUT of a device or module. Only what a client may set has a member: .NET clients send every read-only
/// field with a default, and none of it is looked at (spec/service-rest.md 4.1).
/// </summary>
internal sealed record IdentityRequest
{
    public string? DeviceId { get; init; }

    public string? ModuleId { get; init; }

    public string? Status { get; init; }

    public string? StatusReason { get; init; }

    public AuthenticationDocument? Authentication { get; init; }

    public CapabilitiesDocument? Capabilities { get; init; }

    public string? DeviceScope { get; init; }

    public IReadOnlyList<string>? ParentScopes { get; init; }

    public string? ManagedBy { get; init; }

    /// <summary>What is asked for, of the identity that the path names.</summary>
    public Outcome<IdentityDraft> ToDraft(IdentityId id)
    {
        if ((DeviceId is not null && DeviceId != id.Device.Value) || (ModuleId is not null && ModuleId != id.Module?.Value))
        {
            return HubFailures.ArgumentInvalid.Saying("The id in the body is not the one in the path.");
        }

        return !StatusText.TryRead(Status, out var isEnabled, out var failure) ? failure : new IdentityDraft(id)
        {
            IsEnabled = isEnabled,
            StatusReason = StatusReason,
            Authentication = Authentication?.ToDraft(),
            IsEdge = Capabilities?.IotEdge,
            DeviceScope = DeviceScope,
            ParentScopes = ParentScopes,
            ManagedBy = ManagedBy,
        };
    }
}

/// <summary>One item of a bulk request: other names than a device's (spec/service-rest.md 4.4).</summary>
internal sealed record BulkRequestItem
{
    public string? Id { get; init; }

    public string? ModuleId { get; init; }

    public string? ETag { get; init; }

    /// <summary>The same as a device's JSON spells it: Node sends back the objects that it got.</summary>
    [JsonPropertyName("etag")]
    public string? DeviceETag { get; init; }

    public string? ImportMode { get; init; }

    public string? Status { get; init; }

    public string? StatusReason { get; init; }

    public AuthenticationDocument? Authentication { get; init; }

    public CapabilitiesDocument? Capabilities { get; init; }

    public string? DeviceScope { get; init; }

    public IReadOnlyList<string>? ParentScopes { get; init; }

    public string? ManagedBy { get; init; }

    [JsonPropertyName("twinETag")]
    public string? TwinETag { get; init; }

    public JsonElement? Tags { get; init; }

    public JsonElement? Properties { get; init; }

    /// <summary>The identity that the item is about.</summary>
    public bool TryReadIdentity(out IdentityId id)
    {
        id = default;
        if (!Nave.Protocol.Identities.DeviceId.TryParse(Id, out var device))
        {
            return false;
        }

        if (string.IsNullOrEmpty(ModuleId))
        {
            id = new IdentityId(device);
            return true;
        }

        var isModule = Nave.Protocol.Identities.ModuleId.TryParse(ModuleId, out var module);
        id = new IdentityId(device, module);
        return isModule;
    }

    /// <summary>What is asked for.</summary>
    public Outcome<BulkChange> ToChange(IdentityId id)
    {
        if (ReadMode() is not { } mode)
        {
            return HubFailures.ArgumentInvalid.Saying("The importMode is not known.");
        }

        return !StatusText.TryRead(Status, out var isEnabled, out var failure) || !TryReadTwin(mode, out var twin, out failure) ? failure : new BulkChange(
            new IdentityDraft(id)
            {
                IsEnabled = isEnabled,
                StatusReason = StatusReason,
                Authentication = Authentication?.ToDraft(),
                IsEdge = Capabilities?.IotEdge,
                DeviceScope = DeviceScope,
                ParentScopes = ParentScopes,
                ManagedBy = ManagedBy,
            },
            mode,
            mode is BulkMode.UpdateTwinIfMatchETag ? TwinETag : ETag ?? DeviceETag,
            twin);
    }

    // .NET sends empty objects, and properties with empty sections: nothing was said of the twin.
    private bool TryReadTwin(BulkMode mode, out TwinUpdate? twin, [NotNullWhen(false)] out HubFailure? failure)
    {
        twin = null;
        failure = null;
        if (mode is BulkMode.Delete or BulkMode.DeleteIfMatchETag || (!HasContent(Tags) && !HasContent(Properties)))
        {
            return true;
        }

        JsonElement desired = default, reported = default;
        if (Properties is { ValueKind: JsonValueKind.Object } properties)
        {
            properties.TryGetProperty("desired"u8, out desired);
            properties.TryGetProperty("reported"u8, out reported);
        }

        return TwinUpdate.Read(Said(Tags ?? default), Said(desired), reported, isReplace: false).TryGet(out twin, out failure);
    }

    // Unlike in a PATCH null says nothing: clients send what they have no value for.
    private static JsonElement Said(JsonElement section) => section.ValueKind is JsonValueKind.Null ? default : section;

    // Node sends create, Update, UpdateIfMatchETag; .NET camelCase.
    private BulkMode? ReadMode() => string.IsNullOrEmpty(ImportMode) ? BulkMode.CreateOrUpdate : ImportMode.ToLowerInvariant() switch
    {
        "create" => BulkMode.Create,
        "update" => BulkMode.Update,
        "updateifmatchetag" => BulkMode.UpdateIfMatchETag,
        "createorupdate" => BulkMode.CreateOrUpdate,
        "createorupdateifmatchetag" => BulkMode.CreateOrUpdateIfMatchETag,
        "delete" => BulkMode.Delete,
        "deleteifmatchetag" => BulkMode.DeleteIfMatchETag,
        "updatetwin" => BulkMode.UpdateTwin,
        "updatetwinifmatchetag" => BulkMode.UpdateTwinIfMatchETag,
        _ => null,
    };

    // .NET sends empty objects, and properties with empty sections.
    private static bool HasContent(JsonElement? element) => element switch
    {
        null or { ValueKind: JsonValueKind.Null or JsonValueKind.Undefined } => false,
        { ValueKind: JsonValueKind.Object } some => some.EnumerateObject().Any(member => !member.Name.StartsWith('$') && HasContent(member.Value)),
        _ => true,
    };
}

/// <summary>Reads <c>status</c>: any case, absent allowed.</summary>
internal static class StatusText
{
    public static bool TryRead(string? text, out bool? isEnabled, [NotNullWhen(false)] out HubFailure? failure)
    {
        isEnabled = string.IsNullOrEmpty(text) ? null : IdentityWords.ParseStatus(text);
        failure = string.IsNullOrEmpty(text) || isEnabled is not null
            ? null
            : HubFailures.ArgumentInvalid.Saying("The status is neither enabled nor disabled.");
        return failure is null;
    }
}
