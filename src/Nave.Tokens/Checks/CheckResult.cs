using Nave.Protocol.Identities;

namespace Nave.Tokens.Checks;

/// <summary>What a check found. Reasons are for operators and hold no secret; the peer never sees them.</summary>
public abstract record CheckResult
{
    private CheckResult()
    {
    }

    /// <summary>The credential is right.</summary>
    /// <param name="Device">The device that it stands for.</param>
    /// <param name="Identity">Its name in the custom identity system.</param>
    public sealed record Granted(DeviceId Device, string Identity) : CheckResult;

    /// <summary>The credential is not right.</summary>
    public sealed record Refused(string Reason) : CheckResult;

    /// <summary>More is asked than can be checked now: the credential was not looked at.</summary>
    public sealed record Busy(TimeSpan RetryAfter) : CheckResult;

    /// <summary>The identity system cannot be asked: nobody gets in.</summary>
    public sealed record Unavailable(string Reason, TimeSpan RetryAfter) : CheckResult;
}
