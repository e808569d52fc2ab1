using Nave.Protocol.Access;
using Nave.Protocol.Identities;

namespace Nave.Tokens;

/// <summary>
/// Signs tokens for one device each, with the policy's primary key: the whole device path and no more
/// (spec/security.md 5). Any thread may call.
/// </summary>
/// <param name="policy">The hub and the policy.</param>
/// <param name="life">How long tokens live.</param>
/// <param name="time">The wall clock.</param>
/// <param name="jitter">A number from 0 to 1: devices that came together do not renew together.</param>
public sealed class DeviceTokens(HubPolicy policy, TokenLife life, TimeProvider time, Func<double> jitter)
{
    // Up to a twentieth earlier than asked for, never later.
    private const double JitterShare = 0.05;

    // A device renews when a quarter of the life is left: time for a few attempts with a service that is down.
    private const double RenewAt = 0.75;

    /// <summary>Signs a token.</summary>
    /// <param name="device">The only device that it opens.</param>
    /// <param name="wanted">How long it should live; null for the default. Cut to the longest allowed.</param>
    public DeviceToken Issue(DeviceId device, TimeSpan? wanted = null)
    {
        var span = life.Of(wanted);
        var now = time.GetUtcNow();
        var lives = span - (span * JitterShare * jitter());
        var expiresAt = DateTimeOffset.FromUnixTimeSeconds((now + lives).ToUnixTimeSeconds());
        var resource = $"{policy.Host}/devices/{device.Value}";
        return new DeviceToken(policy.Host, device, SasToken.Mint(resource, policy.Key, expiresAt, policy.Name), expiresAt)
        {
            RenewAt = now + ((expiresAt - now) * RenewAt),
        };
    }
}

/// <summary>How long tokens live.</summary>
public sealed record TokenLife
{
    /// <summary>No token lives longer, whatever is configured.</summary>
    public static readonly TimeSpan Ceiling = TimeSpan.FromHours(24);

    /// <summary>A shorter one would have ended before its device has connected.</summary>
    public static readonly TimeSpan Floor = TimeSpan.FromSeconds(10);

    /// <param name="default">Where nothing is asked for.</param>
    /// <param name="longest">The most that may be asked for.</param>
    /// <exception cref="ArgumentOutOfRangeException">The longest is over <see cref="Ceiling"/>, the default over the longest, or one under <see cref="Floor"/>.</exception>
    public TokenLife(TimeSpan @default, TimeSpan longest)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(longest, Ceiling);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(@default, longest);
        ArgumentOutOfRangeException.ThrowIfLessThan(@default, Floor);
        Default = @default;
        Longest = longest;
    }

    /// <summary>Where nothing is asked for.</summary>
    public TimeSpan Default { get; }

    /// <summary>The most that may be asked for.</summary>
    public TimeSpan Longest { get; }

    internal TimeSpan Of(TimeSpan? wanted) =>
        wanted is not { } span ? Default : span > Longest ? Longest : span < Floor ? Floor : span;
}

/// <summary>A token for one device.</summary>
/// <param name="HostName">The hub.</param>
/// <param name="Device">The device.</param>
/// <param name="Token">The shared access signature: a secret, until it expires.</param>
/// <param name="ExpiresAt">When it ends.</param>
public sealed record DeviceToken(string HostName, DeviceId Device, string Token, DateTimeOffset ExpiresAt)
{
    /// <summary>When to ask for the next one.</summary>
    public required DateTimeOffset RenewAt { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"token for {Device.Value} until {ExpiresAt:O}";
}
