using System.Data.Common;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;
using Nave.Hub.Devices;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Access;

/// <summary>Who you are and what you may (spec/security.md). The only place that judges credentials.</summary>
internal sealed partial class AccessControl(
    IIdentitySource identities,
    PolicyRegistry policies,
    CertificateAuthorities authorities,
    HubNames names,
    AccessOptions options,
    TimeProvider time,
    ILogger<AccessControl> logger)
{
    private readonly TokenRules _tokens = new(policies, names, options, time);
    private readonly CertificateRules _certificates = new(authorities, options, time);
    private readonly FailureLimit _failures = new(options.MaxFailuresPerAddress, time);

    /// <summary>Raised after each judgement of a credential, for the operator's eyes. Handlers return at once and do not throw.</summary>
    public event Action<AccessDecision>? Decided;

    /// <summary>
    /// Admits a device or module by what it presents: a token signed with its own key or with a policy that has
    /// DeviceConnect, or a client certificate. A token decides when both are present (spec/security.md 6.1).
    /// The failure's message is the same for an unknown identity and a bad signature; its detail tells the operator.
    /// </summary>
    public async ValueTask<Outcome<AccessGrant>> AdmitDeviceAsync(IdentityId id, DeviceProof proof, CancellationToken stopping)
    {
        if (!_failures.MayTry(proof.Peer))
        {
            return TooManyFailures(proof.Peer);
        }

        var since = time.GetTimestamp();
        var outcome = await LookUpAsync(() => JudgeDeviceAsync(id, proof, stopping));

        // Only of a refusal it is told what was offered; to see that means to read the token once more.
        var offered = outcome.Failure is null ? null : proof.Offered(id);
        return Judged(outcome, proof.Peer, id, new Attempt(proof.Protocol, offered, since));
    }

    /// <summary>
    /// Admits the bearer of a token whoever it is (HTTP Authorization, AMQP put-token, SASL PLAIN): a policy, a device or
    /// a module, told apart by the token's resource and <c>skn</c>. What it may do is asked later with <see cref="Allows"/>.
    /// </summary>
    /// <param name="token">The SAS token's text.</param>
    /// <param name="eventHubsSigning">Whether a policy signature over the key's text is accepted too (spec/events-endpoint.md 2).</param>
    /// <param name="peer">For the limit on failures per address.</param>
    /// <param name="stopping">Stops the look-up.</param>
    public async ValueTask<Outcome<AccessGrant>> AdmitTokenAsync(string token, bool eventHubsSigning, IPAddress? peer, CancellationToken stopping) =>
        _failures.MayTry(peer)
            ? await JudgeTokenAsync(token, eventHubsSigning, peer, new Attempt(eventHubsSigning ? DeviceProtocol.Amqp : DeviceProtocol.Https, null, time.GetTimestamp()), stopping)
            : TooManyFailures(peer);

    /// <summary>
    /// Admits who sends a policy's name and its key itself, as event hub clients do with SASL PLAIN after a redirect
    /// (spec/events-endpoint.md 2).
    /// </summary>
    public Outcome<AccessGrant> AdmitPolicyKey(string policyName, string key, IPAddress? peer) =>
        _failures.MayTry(peer)
            ? Judged(_tokens.JudgePolicyKey(policyName, key, peer), peer, null, new Attempt(DeviceProtocol.Amqp, null, time.GetTimestamp()))
            : TooManyFailures(peer);

    /// <summary>Lets the bearer of a policy's token, admitted before, act as a device or module that it names (pooled AMQP, gateways).</summary>
    public async ValueTask<Outcome<AccessGrant>> ActAsAsync(AccessGrant policyGrant, IdentityId id, CancellationToken stopping) =>
        Told(id, policyGrant.Peer, policyGrant.Kind is not CredentialKind.Policy || (policyGrant.Identity is { } own && own != id)
            ? HubFailures.Unauthorized.Because($"a credential of '{policyGrant.Identity}' does not open '{id}'")
            : await LookUpAsync(async () => _tokens.ActAs(policyGrant, id, await identities.FindAsync(id, stopping))),
            new Attempt(DeviceProtocol.Amqp, policyGrant.Kind, time.GetTimestamp()));

    /// <summary>Whether the grant has the right and its scope covers the path (<c>/devices/x</c>, <c>/messages/events</c>); null when it may.</summary>
    public HubFailure? Allows(AccessGrant grant, AccessRights right, string path) => GrantRules.Check(
        grant, right, path, grant.PolicyName is { } name ? policies.Find(name) : null, options.EventHubName);

    /// <summary>Why an admitted credential no longer stands, judged by the identities, policies and authorities as they are now; null when it does.</summary>
    public async ValueTask<CloseReason?> FindRevocationAsync(AccessGrant grant, CancellationToken stopping) =>
        FindRevocationAtHand(grant)
        ?? (grant.Identity is { } id && !IsAsJudged(grant, id) ? IdentityRules.FindRevocation(grant, await identities.FindAsync(id, stopping)) : null);

    /// <summary>The part of <see cref="FindRevocationAsync"/> that needs no look-up: expiry, policy, authority.</summary>
    public CloseReason? FindRevocationAtHand(AccessGrant grant) =>
        time.GetUtcNow() > grant.ExpiresAt ? CloseReason.TokenExpired
        : grant.PolicyName is { } name && !GrantRules.StandsOn(grant, policies.Find(name)) ? CloseReason.CredentialRevoked
        : grant.Kind is CredentialKind.CertificateAuthority && !authorities.IsVerified(grant.ProofDigest) ? CloseReason.CredentialRevoked
        : null;

    // Nothing has been written since the identity was read: no need to read it again.
    private bool IsAsJudged(AccessGrant grant, IdentityId id) => grant.JudgedAt != 0 && grant.JudgedAt == identities.StampOf(id);

    private async ValueTask<Outcome<AccessGrant>> JudgeDeviceAsync(IdentityId id, DeviceProof proof, CancellationToken stopping)
    {
        var stamp = identities.StampOf(id); // Before the read: a change in between makes it another.
        var outcome = await JudgeProofAsync(id, proof, stopping);
        return outcome.Value is { } grant ? grant with { JudgedAt = stamp } : outcome;
    }

    private async ValueTask<Outcome<AccessGrant>> JudgeProofAsync(IdentityId id, DeviceProof proof, CancellationToken stopping)
    {
        if (string.IsNullOrEmpty(proof.Token))
        {
            return proof.Certificate is { } certificate
                ? _certificates.Judge(id, await identities.FindAsync(id, stopping), certificate, proof.Chain)
                : HubFailures.Unauthorized.Because("neither a token nor a client certificate");
        }

        if (!SasToken.Parse(proof.Token).TryGet(out var token, out var malformed))
        {
            return malformed;
        }

        var identity = await identities.FindAsync(id, stopping);
        if (token.PolicyName is null)
        {
            return _tokens.JudgeIdentity(token, id, identity);
        }

        return _tokens.JudgePolicy(token, SigningConvention.IotHub, proof.Peer).TryGet(out var grant, out var failure)
            ? _tokens.ActAs(grant, id, identity)
            : failure;
    }

    private async ValueTask<Outcome<AccessGrant>> JudgeTokenAsync(string token, bool eventHubsSigning, IPAddress? peer, Attempt attempt, CancellationToken stopping)
    {
        var outcome = await LookUpAsync(() => JudgeTokenAsync(token, eventHubsSigning, peer, stopping));
        var claimed = ClaimedBy(token);
        return Judged(outcome, peer, claimed, attempt with { Offered = claimed is { } id ? id.IsModule ? CredentialKind.ModuleKey : CredentialKind.DeviceKey : null });
    }

    private async ValueTask<Outcome<AccessGrant>> JudgeTokenAsync(string text, bool eventHubsSigning, IPAddress? peer, CancellationToken stopping)
    {
        if (!SasToken.Parse(text).TryGet(out var token, out var malformed))
        {
            return malformed;
        }

        if (token.PolicyName is not null)
        {
            return _tokens.JudgePolicy(token, eventHubsSigning ? SigningConvention.Both : SigningConvention.IotHub, peer);
        }

        Outcome<AccessGrant>? last = null;
        foreach (var id in token.Scope.PossibleIdentities())
        {
            last = _tokens.JudgeIdentity(token, id, await identities.FindAsync(id, stopping));
            if (last.Value.Value is not null)
            {
                return last.Value;
            }
        }

        if (last is null)
        {
            TokenRules.Spend(token);
        }

        return last ?? HubFailures.Unauthorized.Because(
            $"the token has no policy (skn), and signs {OperatorText.Quote(token.Scope.ToString())}, which is neither a device nor a module");
    }

    // A database that cannot be read is nobody's fault who connects: he is told to come again.
    private async ValueTask<Outcome<AccessGrant>> LookUpAsync(Func<ValueTask<Outcome<AccessGrant>>> judge)
    {
        try
        {
            return await judge();
        }
        catch (Exception e) when (e is DbException or IOException)
        {
            Log.NotLookedUp(logger, e);
            return HubFailures.Unavailable.Because("the identity registry cannot be read");
        }
    }

    // Whom a token names that names no policy, for what is told of its refusal.
    private static IdentityId? ClaimedBy(string text) =>
        SasToken.Parse(text).Value is { PolicyName: null } token && token.Scope.PossibleIdentities().FirstOrDefault() is var id && id != default ? id : null;

    private Outcome<AccessGrant> Told(IdentityId? id, IPAddress? peer, Outcome<AccessGrant> outcome, in Attempt attempt)
    {
        Decided?.Invoke(new AccessDecision(outcome.Value?.Identity ?? id, peer, outcome.Value, outcome.Failure, attempt.Protocol)
        {
            Offered = attempt.Offered,
            Took = time.GetElapsedTime(attempt.Since),
        });
        return outcome;
    }

    private Outcome<AccessGrant> Judged(Outcome<AccessGrant> outcome, IPAddress? peer, IdentityId? id, in Attempt attempt)
    {
        Told(id, peer, outcome, attempt);
        if (outcome.Failure is { HttpStatus: 401 } failure)
        {
            _failures.Failed(peer);
            Log.Refused(logger, id?.ToString() ?? "a back end", peer, (int)failure.Code, failure.Detail);
        }

        return outcome;
    }

    private Outcome<AccessGrant> TooManyFailures(IPAddress? peer)
    {
        Log.NotLookedAt(logger, peer);
        return HubFailures.Throttled.Because($"too many refused credentials from {peer} (Access:MaxFailuresPerAddress)");
    }

    private readonly record struct Attempt(DeviceProtocol? Protocol, CredentialKind? Offered, long Since);

    private static partial class Log
    {
        [LoggerMessage(1001, LogLevel.Debug, "{Who} from {Peer} was refused with {ErrorCode}: {Detail}")]
        public static partial void Refused(ILogger logger, string who, IPAddress? peer, int errorCode, string? detail);

        [LoggerMessage(1002, LogLevel.Debug, "A credential from {Peer} was not looked at: too many were refused before")]
        public static partial void NotLookedAt(ILogger logger, IPAddress? peer);

        [LoggerMessage(1003, LogLevel.Error, "A credential could not be judged: the identity registry cannot be read")]
        public static partial void NotLookedUp(ILogger logger, Exception exception);
    }
}

/// <summary>What a device presents to be admitted.</summary>
/// <param name="Token">A SAS token, or null.</param>
/// <param name="Certificate">The TLS client certificate, or null.</param>
/// <param name="Chain">The other certificates that the client sent.</param>
/// <param name="Peer">For the limit on failures per address.</param>
internal readonly record struct DeviceProof(
    string? Token, X509Certificate2? Certificate, X509Certificate2Collection? Chain, IPAddress? Peer)
{
    /// <summary>By which protocol, for what is told to the operator.</summary>
    public DeviceProtocol? Protocol { get; init; }

    /// <summary>What kind of credential it is, as far as that can be seen without judging it; null where there is none.</summary>
    public CredentialKind? Offered(IdentityId id) =>
        string.IsNullOrEmpty(Token) ? Certificate is null ? null : CredentialKind.Thumbprint
        : SasToken.Parse(Token).Value is { PolicyName: not null } ? CredentialKind.Policy
        : id.IsModule ? CredentialKind.ModuleKey : CredentialKind.DeviceKey;

    /// <summary>Who, not with what.</summary>
    public override string ToString() => $"from {Peer}";
}

/// <summary>What was decided about a credential: a grant or a failure.</summary>
/// <param name="Id">Whom it is of, as it claims; null where it names nobody.</param>
/// <param name="Peer">From where.</param>
/// <param name="Grant">What it was given.</param>
/// <param name="Failure">Why it was refused.</param>
/// <param name="Protocol">By which protocol it came, where that is known.</param>
internal readonly record struct AccessDecision(IdentityId? Id, IPAddress? Peer, AccessGrant? Grant, HubFailure? Failure, DeviceProtocol? Protocol)
{
    /// <summary>What kind of credential was shown, where that is known.</summary>
    public CredentialKind? Offered { get; init; }

    /// <summary>How long the judgement took.</summary>
    public TimeSpan Took { get; init; }
}
