using System.Diagnostics;
using System.Net;
using Microsoft.Extensions.Logging;
using Nave.Tokens.Checks;
using Nave.Tokens.Limits;

namespace Nave.Tokens;

/// <summary>
/// The token service as a library call: credential of a custom identity system in, token for one device of the hub out.
/// Asks the limits first, then the check, then signs. Any thread may call.
/// </summary>
public sealed partial class TokenIssuer(
    IReadOnlyList<ICredentialCheck> checks, DeviceTokens tokens, AttemptLimits limits, TokenMetrics metrics, TokenAudit audit, ILogger<TokenIssuer> logger, TimeProvider time)
{
    /// <summary>Judges one request. What the peer may be told is in the outcome; why is in the audit.</summary>
    /// <param name="credential">What the device shows.</param>
    /// <param name="wanted">The life it asks for; null for the default.</param>
    /// <param name="address">Where the request comes from.</param>
    /// <param name="stopping">The caller no longer waits.</param>
    public async Task<IssueOutcome> IssueAsync(
        PresentedCredential credential, TimeSpan? wanted, IPAddress address, CancellationToken stopping)
    {
        var started = time.GetTimestamp();
        var check = checks.FirstOrDefault(candidate => candidate.Judges(credential));
        var outcome = check is null
            ? new IssueOutcome.Refused("no check is configured for this kind of credential")
            : await GuardedAsync(check, credential, wanted, address, stopping);
        metrics.Answered(check?.Name ?? "none", outcome, time.GetElapsedTime(started));
        Tell(check?.Name ?? "none", credential, address, outcome);
        return outcome;
    }

    private async Task<IssueOutcome> GuardedAsync(
        ICredentialCheck check, PresentedCredential credential, TimeSpan? wanted, IPAddress address, CancellationToken stopping)
    {
        // 1. Before anything is computed or asked: is the peer to wait?
        if (limits.Enter(credential.Identity, address) is { } delay)
        {
            return new IssueOutcome.Delayed(delay, IsFailureDelay: true);
        }

        CheckResult? result = null;
        try
        {
            // 2. The custom identity system decides who this is.
            result = await check.CheckAsync(credential, address, stopping);
        }
        finally
        {
            limits.Leave(credential.Identity, address, result);
        }

        switch (result)
        {
            case CheckResult.Granted granted when limits.TakeToken(granted.Device) is { } wait:
                return new IssueOutcome.Delayed(wait, IsFailureDelay: false);
            case CheckResult.Granted granted:
                // 3. The hub's policy says so.
                return new IssueOutcome.Issued(tokens.Issue(granted.Device, wanted), granted.Identity);
            case CheckResult.Refused refused:
                return new IssueOutcome.Refused(refused.Reason);
            case CheckResult.Busy busy:
                return new IssueOutcome.Delayed(busy.RetryAfter, IsFailureDelay: false);
            case CheckResult.Unavailable unavailable:
                return new IssueOutcome.Unavailable(unavailable.Reason, unavailable.RetryAfter);
            default:
                throw new UnreachableException();
        }
    }

    private void Tell(string check, PresentedCredential credential, IPAddress address, IssueOutcome outcome)
    {
        switch (outcome)
        {
            case IssueOutcome.Issued issued:
                Log.Issued(logger, issued.Token.Device.Value, check, issued.Identity, address, issued.Token.ExpiresAt);
                audit.Issued(check, issued, address);
                break;
            case IssueOutcome.Refused refused:
                Log.Refused(logger, credential.Identity, check, address, refused.Reason);
                audit.Refused(check, credential.Identity, address, refused.Reason);
                break;
            case IssueOutcome.Delayed delayed:
                Log.Delayed(logger, credential.Identity, check, address, delayed.RetryAfter);
                audit.Refused(check, credential.Identity, address, delayed.IsFailureDelay ? "delayed after failures" : "over a limit");
                break;
            case IssueOutcome.Unavailable unavailable:
                Log.Unavailable(logger, credential.Identity, check, address, unavailable.Reason);
                audit.Refused(check, credential.Identity, address, unavailable.Reason);
                break;
            default:
                throw new UnreachableException();
        }
    }

    private static partial class Log
    {
        [LoggerMessage(9001, LogLevel.Information, "A token for {DeviceId} was issued by {Check} to '{Identity}' at {RemoteAddress}, valid until {ExpiresAt}")]
        public static partial void Issued(ILogger logger, string deviceId, string check, string identity, IPAddress remoteAddress, DateTimeOffset expiresAt);

        // What strangers do is never more than Debug; it is counted, and in the audit trail.
        [LoggerMessage(9002, LogLevel.Debug, "'{Identity}' at {RemoteAddress} was refused by {Check}: {Reason}")]
        public static partial void Refused(ILogger logger, string? identity, string check, IPAddress remoteAddress, string reason);

        [LoggerMessage(9003, LogLevel.Debug, "'{Identity}' at {RemoteAddress} was told by {Check} to wait {RetryAfter}")]
        public static partial void Delayed(ILogger logger, string? identity, string check, IPAddress remoteAddress, TimeSpan retryAfter);

        [LoggerMessage(9004, LogLevel.Debug, "'{Identity}' at {RemoteAddress} could not be judged by {Check}: {Reason}")]
        public static partial void Unavailable(ILogger logger, string? identity, string check, IPAddress remoteAddress, string reason);
    }
}

/// <summary>What came of a request. Reasons are for operators.</summary>
public abstract record IssueOutcome
{
    private IssueOutcome()
    {
    }

    /// <summary>A token.</summary>
    /// <param name="Token">The token.</param>
    /// <param name="Identity">The device's name in the custom identity system.</param>
    public sealed record Issued(DeviceToken Token, string Identity) : IssueOutcome;

    /// <summary>The credential is not right.</summary>
    public sealed record Refused(string Reason) : IssueOutcome;

    /// <summary>Not now: too many failures, or too much at once.</summary>
    public sealed record Delayed(TimeSpan RetryAfter, bool IsFailureDelay) : IssueOutcome;

    /// <summary>The identity system cannot be asked.</summary>
    public sealed record Unavailable(string Reason, TimeSpan RetryAfter) : IssueOutcome;
}
