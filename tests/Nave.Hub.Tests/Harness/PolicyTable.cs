using System.Net;
using Nave.Hub.Access;
using Nave.Hub.Devices;
using Nave.Hub.Heads.Amqp;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Tests.Harness;

/// <summary>Policies in memory: real tokens, real scopes, no registry. Revokes on demand.</summary>
internal sealed class PolicyTable(TimeProvider time, string eventHubName = "nave") : IAmqpAccess
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, (string Key, AccessRights Rights)> _policies = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<Registration> _watched = [];

    /// <summary>Adds a policy.</summary>
    /// <returns>Its key.</returns>
    public string Add(string name, AccessRights rights, string? key = null)
    {
        key ??= Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes($"the key of the policy {name}...."));
        _policies[name] = (key, rights);
        return key;
    }

    /// <summary>Removes a policy and revokes what stands on it.</summary>
    public void Remove(string name)
    {
        _policies.Remove(name);
        Revoke(grant => string.Equals(grant.PolicyName, name, StringComparison.OrdinalIgnoreCase), CloseReason.CredentialRevoked);
    }

    /// <summary>What the sweep for tokens past their time does once a second.</summary>
    public void ExpireTokens() => Revoke(grant => grant.ExpiresAt <= time.GetUtcNow(), CloseReason.TokenExpired);

    public ValueTask<Outcome<AccessGrant>> AdmitTokenAsync(string token, IPAddress? peer, CancellationToken stopping) =>
        ValueTask.FromResult(Admit(token));

    public ValueTask<Outcome<AccessGrant>> AdmitDeviceAsync(IdentityId id, string token, IPAddress? peer, CancellationToken stopping) =>
        ValueTask.FromResult<Outcome<AccessGrant>>(HubFailures.Unauthorized.Because("no devices here"));

    public Outcome<AccessGrant> AdmitPolicyKey(string policy, string key, IPAddress? peer) =>
        _policies.TryGetValue(policy, out var known) && known.Key == key
            ? new AccessGrant { Kind = CredentialKind.Policy, PolicyName = policy, Rights = known.Rights, Scope = "127.0.0.1", ProofDigest = key }
            : HubFailures.Unauthorized.Because("policy or key");

    public HubFailure? Allows(AccessGrant grant, AccessRights right, string path) =>
        grant.Rights.HasFlag(right) && ResourceScope.Parse(grant.Scope).Covers(path, eventHubName) ? null : HubFailures.Unauthorized;

    public IDisposable Watch(ILiveAccess live)
    {
        var registration = new Registration(this, live);
        lock (_lock)
        {
            _watched.Add(registration);
        }

        return registration;
    }

    private Outcome<AccessGrant> Admit(string text)
    {
        if (!SasToken.Parse(text).TryGet(out var token, out var failure))
        {
            return failure;
        }

        if (token.PolicyName is not { } name || !_policies.TryGetValue(name, out var policy)
            || token.FindSigner(policy.Key, null, SigningConvention.Both) is SasSigner.None || token.ExpiresAt <= time.GetUtcNow())
        {
            return HubFailures.Unauthorized.Because("policy, signature or time");
        }

        return new AccessGrant
        {
            Kind = CredentialKind.Policy,
            PolicyName = name,
            Rights = policy.Rights,
            Scope = token.Scope.ToString(),
            ExpiresAt = token.ExpiresAt,
            ProofDigest = policy.Key,
        };
    }

    private void Revoke(Func<AccessGrant, bool> isOver, CloseReason reason)
    {
        Registration[] over;
        lock (_lock)
        {
            over = [.. _watched.Where(watch => isOver(watch.Live.Grant))];
            _watched.RemoveAll(over.Contains);
        }

        foreach (var watch in over)
        {
            watch.Live.Revoke(reason);
        }
    }

    private sealed class Registration(PolicyTable table, ILiveAccess live) : IDisposable
    {
        public ILiveAccess Live => live;

        public void Dispose()
        {
            lock (table._lock)
            {
                table._watched.Remove(this);
            }
        }
    }
}
