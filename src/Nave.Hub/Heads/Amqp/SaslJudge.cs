using Microsoft.Extensions.Logging;
using Nave.Hub.Access;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// What the forms of SASL PLAIN mean (spec/device-amqp.md 2, spec/events-endpoint.md 2): <c>{policy}@sas.root.{hub}</c>,
/// <c>{device}@sas.{hub}</c> and <c>{device}/modules/{module}@sas.{hub}</c> with a token; <c>{policy}</c> with its key.
/// </summary>
internal sealed partial class SaslJudge(IAmqpAccess access, AmqpOptions options, ILogger logger)
{
    private const string TokenPrefix = "SharedAccessSignature ";
    private const string PolicyMark = "@sas.root.";
    private const string DeviceMark = "@sas.";

    /// <summary>Decides; null refuses.</summary>
    public async ValueTask<SaslResult?> JudgeAsync(SaslCredential credential, AmqpPeer peer, CancellationToken stopping)
    {
        switch (credential.Mechanism)
        {
            case SaslMechanism.Deferred:
                return SaslResult.None;
            case SaslMechanism.External:
                return peer.Certificate is null ? null : SaslResult.None;
            default:
                var outcome = await JudgePlainAsync(credential, peer, stopping);
                if (outcome.TryGet(out var grant, out var failure))
                {
                    return new SaslResult(grant);
                }

                Log.Refused(logger, peer.ConnectionId, failure.Code, failure.Detail);
                return null;
        }
    }

    private async ValueTask<Outcome<AccessGrant>> JudgePlainAsync(SaslCredential credential, AmqpPeer peer, CancellationToken stopping)
    {
        var (user, password) = (credential.User, credential.Password);
        if (Split(user, PolicyMark) is { } policy)
        {
            return await AdmitPolicyAsync(policy, password, peer, stopping);
        }

        if (Split(user, DeviceMark) is { } device)
        {
            return TryReadIdentity(device, out var id)
                ? await access.AdmitDeviceAsync(id, password, peer.Address, stopping)
                : HubFailures.Unauthorized.Because("The SASL user names no identity.");
        }

        return password.StartsWith(TokenPrefix, StringComparison.Ordinal)
            ? await AdmitPolicyAsync(user, password, peer, stopping)
            : access.AdmitPolicyKey(user, password, peer.Address);
    }

    private async ValueTask<Outcome<AccessGrant>> AdmitPolicyAsync(string policy, string token, AmqpPeer peer, CancellationToken stopping)
    {
        var outcome = await access.AdmitTokenAsync(token, peer.Address, stopping);
        return outcome.Value is { } grant && !string.Equals(grant.PolicyName, policy, StringComparison.OrdinalIgnoreCase)
            ? HubFailures.Unauthorized.Because("The SASL user is not the policy of the token.")
            : outcome;
    }

    /// <summary>The part before the mark, when what follows is this hub's name or its first label.</summary>
    private string? Split(string user, string mark)
    {
        var at = user.LastIndexOf(mark, StringComparison.OrdinalIgnoreCase);
        if (at <= 0)
        {
            return null;
        }

        var hub = user[(at + mark.Length)..];
        return options.HostNames.Count == 0 || options.HostNames.Any(name => IsName(name, hub)) ? user[..at] : null;

        static bool IsName(string name, string hub) =>
            string.Equals(name, hub, StringComparison.OrdinalIgnoreCase)
            || string.Equals(name.Split('.')[0], hub, StringComparison.OrdinalIgnoreCase);
    }

    private static bool TryReadIdentity(string text, out IdentityId id)
    {
        id = default;
        var parts = text.Split('/');
        if (!DeviceId.TryParse(Uri.UnescapeDataString(parts[0]), out var device))
        {
            return false;
        }

        if (parts.Length == 1)
        {
            id = new IdentityId(device, null);
            return true;
        }

        if (parts is [_, var word, var last] && string.Equals(word, "modules", StringComparison.OrdinalIgnoreCase)
            && ModuleId.TryParse(Uri.UnescapeDataString(last), out var module))
        {
            id = new IdentityId(device, module);
            return true;
        }

        return false;
    }

    private static partial class Log
    {
        [LoggerMessage(2212, LogLevel.Debug, "AMQP connection {ConnectionId}: SASL refused, {ErrorCode}: {Detail}")]
        public static partial void Refused(ILogger logger, string connectionId, HubErrorCode errorCode, string? detail);
    }
}
