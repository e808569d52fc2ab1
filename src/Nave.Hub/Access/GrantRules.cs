using Nave.Protocol.Access;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Access;

/// <summary>What a grant permits, and whether its policy still carries it (spec/security.md 2.4, 4.1).</summary>
internal static class GrantRules
{
    /// <summary>Whether the grant has the right, and its scope and bounds cover the path; null when it may.</summary>
    public static HubFailure? Check(AccessGrant grant, AccessRights right, string path, SharedAccessPolicy? policy, string eventHubName)
    {
        if (!grant.Rights.HasFlag(right))
        {
            // Said to the peer too: it has proven who it is.
            return Refuse($"{Bearer(grant)} lacks the right {AccessRightsText.Format(right)}");
        }

        if (grant.Identity is { } id)
        {
            return IsOwn(id, path) ? null : Refuse($"{Bearer(grant)} does not reach {OperatorText.Quote(path)}");
        }

        return policy is null ? Refuse($"the policy '{grant.PolicyName}' is gone")
            : !ResourceScope.Parse(grant.Scope).Covers(path, eventHubName)
                ? Refuse($"the token is for {OperatorText.Quote(grant.Scope)}, which does not cover {OperatorText.Quote(path)}")
            : policy.DevicePattern is null || IsWithin(policy, right, path) ? null
            : Refuse($"the policy '{policy.Name}' is narrowed to devices {policy.DevicePattern}");
    }

    /// <summary>Whether the policy, as it is now, still carries the grant: key, rights and bounds.</summary>
    public static bool StandsOn(AccessGrant grant, SharedAccessPolicy? policy) =>
        policy is not null
        && (TokenRules.Digest(policy.PrimaryKey) == grant.ProofDigest || TokenRules.Digest(policy.SecondaryKey) == grant.ProofDigest)
        && policy.Rights.HasFlag(grant.Rights)
        && (grant.Identity is not { } id || policy.IsFor(id.Device))
        && (policy.Addresses.Count == 0 || policy.IsFor(grant.Peer));

    private static string Bearer(AccessGrant grant) =>
        grant.PolicyName is { } name ? $"the policy '{name}'" : $"the credential of '{grant.Identity}'";

    private static HubFailure Refuse(string why) => HubFailures.Unauthorized.Saying($"Unauthorized: {why}").Because(why);

    // A device's own credential never reaches its modules, nor the reverse.
    private static bool IsOwn(IdentityId id, string path)
    {
        var segments = path.Trim('/').Split('/');
        if (segments.Length < 2 || !Is(segments[0], "devices") || segments[1] != id.Device.Value)
        {
            return false;
        }

        var isModule = segments.Length > 2 && Is(segments[2], "modules");
        return id.Module is { } module ? isModule && segments.Length > 3 && segments[3] == module.Value : !isModule;
    }

    // A policy narrowed to some devices does nothing that concerns all of them, or none.
    private static bool IsWithin(SharedAccessPolicy policy, AccessRights right, string path)
    {
        var segments = path.Trim('/').Split('/');
        return segments.Length > 1
            && (Is(segments[0], "devices") || Is(segments[0], "twins") || Is(segments[0], "digitaltwins"))
            && (right is AccessRights.DeviceConnect || !Is(segments[1], "query"))
            && DeviceId.TryParse(segments[1], out var device)
            && policy.IsFor(device);
    }

    private static bool Is(string segment, string literal) => segment.Equals(literal, StringComparison.OrdinalIgnoreCase);
}
