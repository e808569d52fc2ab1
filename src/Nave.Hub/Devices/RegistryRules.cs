using Nave.Protocol.Access;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Devices;

/// <summary>
/// What becomes of an identity when it is created or replaced (spec/service-rest.md 4.2 and 5, spec/security.md 6.4).
/// Pure but for generated keys and marks; looks nothing up.
/// </summary>
internal sealed class RegistryRules(IdentityMarks marks, TimeProvider time)
{
    /// <summary>Longest status reason, in characters (spec/service-rest.md 4.1).</summary>
    public const int MaxStatusReasonLength = 128;

    private const string ScopePrefix = "ms-azure-iot-edge://";

    /// <summary>The modules that come with an edge device.</summary>
    public static IReadOnlyList<ModuleId> EdgeModules { get; } = [ModuleId.Parse("$edgeAgent"), ModuleId.Parse("$edgeHub")];

    /// <summary>A new identity.</summary>
    public Outcome<DeviceIdentity> Create(IdentityDraft draft)
    {
        if (CheckTexts(draft) is { } failure)
        {
            return failure;
        }

        if (!Merge(draft.Authentication, stored: null).TryGet(out var authentication, out failure))
        {
            return failure;
        }

        var identity = new DeviceIdentity
        {
            Id = draft.Id,
            GenerationId = marks.NextGenerationId(),
            ETag = IdentityMarks.NewETag(),
            IsEnabled = draft.IsEnabled ?? true,
            StatusReason = draft.StatusReason,
            Authentication = authentication,
        };
        return draft.Id.IsModule
            ? identity with { IsEnabled = true, StatusReason = null, ManagedBy = draft.ManagedBy }
            : WithScopes(identity with { IsEdge = draft.IsEdge ?? false }, draft);
    }

    /// <summary>The stored identity after a replacement; what the draft does not name of status, keys and kind stays.</summary>
    public Outcome<DeviceIdentity> Replace(DeviceIdentity stored, IdentityDraft draft)
    {
        if (CheckTexts(draft) is { } failure)
        {
            return failure;
        }

        if (!Merge(draft.Authentication, stored.Authentication).TryGet(out var authentication, out failure))
        {
            return failure;
        }

        var changed = stored with { ETag = IdentityMarks.NewETag(), Authentication = authentication };
        if (draft.Id.IsModule)
        {
            return changed with { ManagedBy = draft.ManagedBy };
        }

        var isEnabled = draft.IsEnabled ?? stored.IsEnabled;
        changed = changed with
        {
            IsEnabled = isEnabled,
            StatusReason = draft.StatusReason,
            StatusUpdatedTime = isEnabled == stored.IsEnabled ? stored.StatusUpdatedTime : time.GetUtcNow(),
            IsEdge = draft.IsEdge ?? stored.IsEdge,
        };
        return WithScopes(changed, draft);
    }

    /// <summary>A module that comes with an edge device: nobody connects as it until it is given credentials.</summary>
    public DeviceIdentity CreateEdgeModule(DeviceIdentity device, ModuleId module) => new()
    {
        Id = device.Id with { Module = module },
        GenerationId = marks.NextGenerationId(),
        ETag = IdentityMarks.NewETag(),
        IsEnabled = device.IsEnabled,
        Authentication = new IdentityAuthentication(AuthenticationType.None),
        ManagedBy = "IotEdge",
    };

    /// <summary>The edge device that a scope names: <c>ms-azure-iot-edge://{deviceId}-{ticks}</c>; null when it names none.</summary>
    public static DeviceId? FindScopeOwner(string scope)
    {
        if (!scope.StartsWith(ScopePrefix, StringComparison.Ordinal))
        {
            return null;
        }

        var rest = scope.AsSpan(ScopePrefix.Length);
        var dash = rest.LastIndexOf('-');
        return dash > 0 && DeviceId.TryParse(rest[..dash].ToString(), out var id) ? id : null;
    }

    private static HubFailure? CheckTexts(IdentityDraft draft) =>
        draft.StatusReason?.Length > MaxStatusReasonLength
            ? HubFailures.ArgumentInvalid.Saying($"The statusReason is longer than {MaxStatusReasonLength} characters.")
        : draft.ManagedBy?.Length > IdentityText.MaxLength
            ? HubFailures.ArgumentInvalid.Saying($"The managedBy is longer than {IdentityText.MaxLength} characters.")
        : null;

    // spec/service-rest.md 4.1: an edge device's own scope is generated and immutable, and its parent is in parentScopes;
    // a leaf has its parent's scope in both.
    private static Outcome<DeviceIdentity> WithScopes(DeviceIdentity identity, IdentityDraft draft)
    {
        var scope = NullIfEmpty(draft.DeviceScope);
        if (draft.ParentScopes is { Count: > 1 })
        {
            return HubFailures.InvalidDeviceScope.Saying("A device has one parent scope at most.");
        }

        var parent = NullIfEmpty(draft.ParentScopes is [var first] ? first : null);
        if (identity.IsEdge)
        {
            var own = identity.DeviceScope is { } stored && FindScopeOwner(stored) == identity.Id.Device
                ? stored
                : $"{ScopePrefix}{identity.Id.Device.Value}-{identity.GenerationId}";
            return scope is not null && scope != own
                ? HubFailures.InvalidDeviceScope.Saying("The scope of an edge device is its own and cannot be set.")
                : identity with { DeviceScope = own, ParentScopes = parent is null ? [] : [parent] };
        }

        return scope is not null && parent is not null && scope != parent
            ? HubFailures.InvalidDeviceScope.Saying("The deviceScope and the parentScopes of a leaf device differ.")
            : identity with { DeviceScope = scope ?? parent, ParentScopes = (scope ?? parent) is { } one ? [one] : [] };
    }

    private static Outcome<IdentityAuthentication> Merge(AuthenticationDraft? draft, IdentityAuthentication? stored)
    {
        if (draft is null)
        {
            return stored ?? WithNewKeys();
        }

        return FindType(draft, stored) switch
        {
            AuthenticationType.Sas => MergeKeys(draft, stored),
            AuthenticationType.SelfSigned => MergeThumbprints(draft),
            { } type => new IdentityAuthentication(type),
            null => HubFailures.ArgumentInvalid.Saying("The authentication type is not one of sas, selfSigned, certificateAuthority and none."),
        };
    }

    // spec/service-rest.md 1.2: clients of 2016 send no type.
    private static AuthenticationType? FindType(AuthenticationDraft draft, IdentityAuthentication? stored) =>
        NullIfEmpty(draft.Type) is { } text ? IdentityWords.ParseType(text)
        : NullIfEmpty(draft.PrimaryThumbprint) is not null || NullIfEmpty(draft.SecondaryThumbprint) is not null ? AuthenticationType.SelfSigned
        : NullIfEmpty(draft.PrimaryKey) is not null || NullIfEmpty(draft.SecondaryKey) is not null ? AuthenticationType.Sas
        : stored?.Type ?? AuthenticationType.Sas;

    // spec/service-rest.md 4.2: none on create generates both, one alone is refused; an empty one on update keeps the stored.
    private static Outcome<IdentityAuthentication> MergeKeys(AuthenticationDraft draft, IdentityAuthentication? stored)
    {
        var primary = NullIfEmpty(draft.PrimaryKey) ?? stored?.PrimaryKey;
        var secondary = NullIfEmpty(draft.SecondaryKey) ?? stored?.SecondaryKey;
        return (primary, secondary) switch
        {
            (null, null) => WithNewKeys(),
            (null, _) or (_, null) => HubFailures.ArgumentInvalid.Saying("Give both symmetric keys or none."),
            _ when !SharedAccessKey.IsValid(primary) || !SharedAccessKey.IsValid(secondary) =>
                HubFailures.ArgumentInvalid.Saying($"A symmetric key is {SharedAccessKey.Rule}."),
            _ => new IdentityAuthentication(AuthenticationType.Sas) { PrimaryKey = primary, SecondaryKey = secondary },
        };
    }

    private static Outcome<IdentityAuthentication> MergeThumbprints(AuthenticationDraft draft)
    {
        var (primary, secondary) = (NullIfEmpty(draft.PrimaryThumbprint), NullIfEmpty(draft.SecondaryThumbprint));
        var merged = new IdentityAuthentication(AuthenticationType.SelfSigned)
        {
            PrimaryThumbprint = Thumbprint.Normalise(primary),
            SecondaryThumbprint = Thumbprint.Normalise(secondary),
        };
        return (primary is null || merged.PrimaryThumbprint is not null) && (secondary is null || merged.SecondaryThumbprint is not null)
            ? merged
            : HubFailures.ArgumentInvalid.Saying($"A thumbprint is {Thumbprint.Rule}.");
    }

    private static IdentityAuthentication WithNewKeys() => new(AuthenticationType.Sas)
    {
        PrimaryKey = SharedAccessKey.Generate(),
        SecondaryKey = SharedAccessKey.Generate(),
    };

    private static string? NullIfEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
