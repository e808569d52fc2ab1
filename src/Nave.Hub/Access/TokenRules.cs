using System.Net;
using System.Security.Cryptography;
using System.Text;
using Nave.Hub.Devices;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Access;

/// <summary>
/// What a SAS token proves (spec/security.md 2). The signature is computed first and always, with whatever keys there
/// are, so that an unknown identity, a wrong type and a wrong signature cost the same and are answered the same; what is
/// told apart afterwards is told to somebody who holds the key.
/// </summary>
internal sealed class TokenRules(PolicyRegistry policies, HubNames names, AccessOptions options, TimeProvider time)
{
    /// <summary>Judges a token without <c>skn</c> by the keys of the identity that it is used for.</summary>
    public Outcome<AccessGrant> JudgeIdentity(SasToken token, IdentityId id, DeviceIdentity? identity)
    {
        var keys = identity is { Authentication.Type: AuthenticationType.Sas } ? identity.Authentication : null;
        var signer = token.FindSigner(keys?.PrimaryKey, keys?.SecondaryKey);
        if (identity is null)
        {
            return HubFailures.Unauthorized.Because($"there is no identity {OperatorText.Quote(id.ToString())}");
        }

        if (keys is null)
        {
            return HubFailures.Unauthorized.Because($"'{id}' authenticates by {identity.Authentication.Type}, not by a token");
        }

        if (signer is SasSigner.None)
        {
            return Mismatch(token, id.ToPath(), $"either key of '{id}'");
        }

        var refusal = CheckHost(token)
            ?? (token.Scope.NamesIdentity(id) ? null : HubFailures.Unauthorized.Because(
                $"the token signs {OperatorText.Quote(token.Scope.ToString())}, expected {Expected(id.ToPath())}: the key of an identity opens itself only"))
            ?? CheckExpiry(token)
            ?? IdentityRules.CheckEnabled(identity);
        return refusal is not null ? refusal : new AccessGrant
        {
            Kind = id.IsModule ? CredentialKind.ModuleKey : CredentialKind.DeviceKey,
            Identity = id,
            GenerationId = identity.GenerationId,
            Rights = AccessRights.DeviceConnect,
            Scope = token.Scope.ToString(),
            ExpiresAt = EndOf(token),
            ProofDigest = Digest(signer is SasSigner.Primary ? keys.PrimaryKey! : keys.SecondaryKey!),
            KeyName = NameOf(signer),
        };
    }

    /// <summary>Judges a token with <c>skn</c>, whatever it will be used for.</summary>
    public Outcome<AccessGrant> JudgePolicy(SasToken token, SigningConvention convention, IPAddress? peer)
    {
        var policy = policies.Find(token.PolicyName!);
        var signer = token.FindSigner(policy?.PrimaryKey, policy?.SecondaryKey, convention);
        if (policy is null)
        {
            return HubFailures.Unauthorized.Because($"there is no policy {OperatorText.Quote(token.PolicyName!)}");
        }

        if (signer is SasSigner.None)
        {
            return Mismatch(token, "", $"either key of the policy '{policy.Name}'");
        }

        var refusal = CheckHost(token) ?? CheckExpiry(token) ?? CheckAddress(policy, peer);
        return refusal is not null ? refusal : GrantOf(
            policy, signer, token.Scope.ToString(), EndOf(token), peer);
    }

    /// <summary>Judges the key of a policy itself, as event hub clients send it with SASL PLAIN (spec/events-endpoint.md 2).</summary>
    public Outcome<AccessGrant> JudgePolicyKey(string policyName, string key, IPAddress? peer)
    {
        var policy = policies.Find(policyName);
        var isPrimary = IsSame(key, policy?.PrimaryKey);
        var isSecondary = IsSame(key, policy?.SecondaryKey);
        return policy is null ? HubFailures.Unauthorized.Because($"there is no policy {OperatorText.Quote(policyName)}")
            : !isPrimary && !isSecondary ? HubFailures.Unauthorized.Because($"the key is none of the policy '{policy.Name}'")
            : CheckAddress(policy, peer) is { } refusal ? refusal
            : GrantOf(policy, isPrimary ? SasSigner.Primary : SasSigner.Secondary, names.Primary, DateTimeOffset.MaxValue, peer);
    }

    /// <summary>Lets the bearer of a policy's token act as one identity (spec/security.md 5).</summary>
    public Outcome<AccessGrant> ActAs(AccessGrant policyGrant, IdentityId id, DeviceIdentity? identity)
    {
        var policy = policies.Find(policyGrant.PolicyName!);
        var refusal = policy is null ? HubFailures.Unauthorized.Because($"the policy '{policyGrant.PolicyName}' is gone")
            : !policyGrant.Rights.HasFlag(AccessRights.DeviceConnect)
                ? HubFailures.Unauthorized.Because($"the policy '{policy.Name}' lacks the right DeviceConnect")
            : !CoversIdentity(policyGrant.Scope, id)
                ? HubFailures.Unauthorized.Because($"the token signs {OperatorText.Quote(policyGrant.Scope)}, expected a part of {Expected(id.ToPath())}")
            : !policy.IsFor(id.Device) ? HubFailures.Unauthorized.Because($"the policy '{policy.Name}' is narrowed to '{policy.DevicePattern}'")
            // "Not found" only to who may see it: the bearer of a valid policy that covers the path (spec/device-http.md 7, device-amqp.md 4.4).
            : identity is null ? (id.IsModule ? HubFailures.ModuleNotFound : HubFailures.DeviceNotFound)
                .Because($"there is no identity {OperatorText.Quote(id.ToString())}")
            : identity.Authentication.Type is AuthenticationType.None
                ? HubFailures.Unauthorized.Because($"'{id}' has authentication type none: nobody connects as it")
            : IdentityRules.CheckEnabled(identity);
        return refusal is not null
            ? refusal
            : policyGrant with { Identity = id, GenerationId = identity!.GenerationId, Rights = AccessRights.DeviceConnect };
    }

    /// <summary>Computes what a signature costs, for a bearer who names nobody.</summary>
    public static void Spend(SasToken token) => token.FindSigner(null, null);

    /// <summary>SHA-256 of a secret, so that a grant can be compared with a changed identity without holding the secret.</summary>
    public static string Digest(string secret) => Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(secret)));

    // spec/security.md 2.4: a token for a device never authorises its modules.
    private static bool CoversIdentity(string scopeText, IdentityId id)
    {
        var scope = ResourceScope.Parse(scopeText);
        return scope.Covers(id.ToPath()) && !(id.IsModule && scope.Segments.Count is 2 or 3);
    }

    private static bool IsSame(string one, string? other)
    {
        var isThere = other is not null;
        return isThere & CryptographicOperations.FixedTimeEquals(
            SHA256.HashData(Encoding.UTF8.GetBytes(one)), SHA256.HashData(Encoding.UTF8.GetBytes(other ?? "")));
    }

    private static AccessGrant GrantOf(SharedAccessPolicy policy, SasSigner signer, string scope, DateTimeOffset end, IPAddress? peer) => new()
    {
        Kind = CredentialKind.Policy,
        PolicyName = policy.Name,
        Rights = policy.Rights,
        Scope = scope,
        ExpiresAt = end,
        Peer = policy.Addresses.Count > 0 ? peer : null,
        ProofDigest = Digest(signer is SasSigner.Primary ? policy.PrimaryKey : policy.SecondaryKey),
        KeyName = NameOf(signer),
    };

    private static string NameOf(SasSigner signer) => signer is SasSigner.Primary ? "the primary key" : "the secondary key";

    private static HubFailure? CheckAddress(SharedAccessPolicy policy, IPAddress? peer) =>
        policy.IsFor(peer) ? null : HubFailures.Unauthorized.Because($"the policy '{policy.Name}' is not for the address {peer}");

    private HubFailure? CheckHost(SasToken token) => names.Contains(token.Scope.Host)
        ? null
        : HubFailures.Unauthorized.Because($"the token is for the host {OperatorText.Quote(token.Scope.Host)}, this hub is {names}");

    private HubFailure? CheckExpiry(SasToken token) => time.GetUtcNow() <= EndOf(token)
        ? null
        : HubFailures.TokenExpired.Because(
            $"the token had expired {(time.GetUtcNow() - token.ExpiresAt).TotalSeconds:F0} s before it arrived (at {token.ExpiresAt:u}, allowed are {options.ClockSkew} more): the device's clock may be behind");

    private DateTimeOffset EndOf(SasToken token) => token.ExpiresAt > DateTimeOffset.MaxValue - options.ClockSkew
        ? DateTimeOffset.MaxValue
        : token.ExpiresAt + options.ClockSkew;

    private HubFailure Mismatch(SasToken token, string path, string keys) => HubFailures.Unauthorized.Because(
        $"signature mismatch: the token signs {OperatorText.Quote(token.Scope.ToString())}, "
        + $"expected {(path.Length > 0 ? Expected(path) : $"one of {names} or a path below")}, signed with {keys}");

    private string Expected(string path) => "one of " + string.Join(", ", names.All.Select(name => name + path));
}
