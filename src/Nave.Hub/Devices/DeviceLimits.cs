using System.Net;
using Nave.Hub.Access;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Devices;

/// <summary>
/// What one device, or one address, may do at most, whatever the hub's tier: a device that goes wild must not cost the others
/// their hub. Asked of those only who have been admitted. Any thread may call.
/// </summary>
internal sealed class DeviceLimits(AccessOptions options, TimeProvider time)
{
    private static readonly TimeSpan ConnectAgain = TimeSpan.FromSeconds(10);

    private readonly SpendTable? _connects = EachMinute(options.MaxConnectsPerDevice, time);
    private readonly SpendTable? _addresses = EachMinute(options.MaxConnectsPerAddress, time);
    private readonly SpendTable? _messages =
        options.MaxMessagesPerDevice > 0 ? new SpendTable(options.MaxMessagesPerDevice, options.MaxMessagesPerDevice, time) : null;

    private long _connectsRefused;
    private long _addressesRefused;
    private long _messagesHeld;

    /// <summary>Raised when something was refused: to whom, why. Handlers return at once and do not throw.</summary>
    public event Action<IdentityId, IPAddress?, HubFailure>? Refused;

    /// <summary>Connects refused for the device's limit since the start.</summary>
    public long ConnectsRefused => Interlocked.Read(ref _connectsRefused);

    /// <summary>Connects refused for the address's limit since the start.</summary>
    public long AddressesRefused => Interlocked.Read(ref _addressesRefused);

    /// <summary>Times that a device's messages had to wait, or were refused over HTTPS, since the start.</summary>
    public long MessagesHeld => Interlocked.Read(ref _messagesHeld);

    /// <summary>The limits in force.</summary>
    public AccessOptions Options => options;

    /// <summary>Whether a device or module may connect once more; null when it may.</summary>
    public HubFailure? TryConnect(IdentityId id, IPAddress? address)
    {
        if (_connects?.SpendUpTo(KeyOf(id), 1) is 0)
        {
            Interlocked.Increment(ref _connectsRefused);
            return Refuse(id, address, $"more than {options.MaxConnectsPerDevice} connects a minute of '{id}' (Access:MaxConnectsPerDevice)");
        }

        if (address is not null && _addresses?.SpendUpTo(SpendTable.KeyOf(address), 1) is 0)
        {
            Interlocked.Increment(ref _addressesRefused);
            return Refuse(id, address, $"more than {options.MaxConnectsPerAddress} connects a minute from {address} (Access:MaxConnectsPerAddress)");
        }

        return null;
    }

    /// <summary>A session's share of its device's messages.</summary>
    public DeviceAllowance AllowanceOf(IdentityId id) => new(this, KeyOf(id));

    /// <summary>Whether so many messages may be sent at once, by a request that cannot wait; null when they may.</summary>
    public HubFailure? TrySend(IdentityId id, int count)
    {
        // More than the limit at once pass where nothing has been spent.
        if (_messages is null || _messages.TrySpend(KeyOf(id), count))
        {
            return null;
        }

        Interlocked.Increment(ref _messagesHeld);
        return Refuse(id, null, $"more than {options.MaxMessagesPerDevice} messages a second of '{id}' (Access:MaxMessagesPerDevice)");
    }

    internal int TakeMessages(uint key, int wanted)
    {
        var granted = _messages?.SpendUpTo(key, wanted) ?? int.MaxValue;
        if (granted == 0)
        {
            Interlocked.Increment(ref _messagesHeld);
        }

        return granted;
    }

    // Until a few are back, and never so short that waiting becomes work.
    internal Task WaitForMessagesAsync(CancellationToken stopping) => Task.Delay(
        TimeSpan.FromSeconds(Math.Max(0.05, 1.0 / options.MaxMessagesPerDevice)), time, stopping);

    private static SpendTable? EachMinute(int limit, TimeProvider time) => limit > 0 ? new SpendTable(limit, limit / 60.0, time) : null;

    // Two that share a hash share a limit: strings are hashed with a seed, so nobody can aim at another.
    private static uint KeyOf(IdentityId id) => (uint)id.GetHashCode();

    private HubFailure Refuse(IdentityId id, IPAddress? address, string detail)
    {
        var failure = HubFailures.DeviceThrottled.Because(detail) with { RetryAfter = ConnectAgain };
        Refused?.Invoke(id, address, failure);
        return failure;
    }
}

/// <summary>
/// What a session may send before it has to ask again. A field of the session, mutable: a message costs a decrement. One
/// send at a time.
/// </summary>
internal struct DeviceAllowance(DeviceLimits limits, uint key)
{
    // Small beside the limit, large beside the cost of asking.
    private const int Share = 64;

    private int _left;

    /// <summary>Whether the last message found nothing left.</summary>
    public readonly bool IsUsedUp => _left < 0;

    /// <summary>Takes one message's worth.</summary>
    public bool TryTake()
    {
        if (--_left >= 0)
        {
            return true;
        }

        _left = limits.TakeMessages(key, Share) - 1;
        return _left >= 0;
    }

    /// <summary>Completes when it is worth asking again.</summary>
    public readonly Task WaitAsync(CancellationToken stopping) => limits.WaitForMessagesAsync(stopping);
}
