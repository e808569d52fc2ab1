using Nave.Hub.Devices;
using Nave.Protocol;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>
/// What a connection must do in time: first a CONNECT, then be heard within 1.5 times its keep-alive, and always take
/// what is sent to it. Closes the channel when it does not. Owned by the connection's loop.
/// </summary>
internal sealed class ConnectionDeadline : Deadline, IDisposable
{
    private readonly DeadlineWheel _wheel;
    private readonly TimeProvider _time;
    private readonly MqttChannel _channel;
    private long _since;
    private long _allowed;
    private long _keepAlive;
    private CloseReason _reason;

    /// <summary>Starts with the time that a CONNECT has.</summary>
    public ConnectionDeadline(DeadlineWheel wheel, TimeProvider time, MqttChannel channel, TimeSpan connectTimeout)
    {
        _wheel = wheel;
        _time = time;
        _channel = channel;
        Expect(CloseReason.AuthenticationTimeout, Length(connectTimeout));
    }

    /// <inheritdoc/>
    public override long DueAt => Volatile.Read(ref _since) + Volatile.Read(ref _allowed);

    /// <inheritdoc/>
    public override void Expire() => _channel.Close(_reason);

    /// <summary>spec/device-mqtt.md 2.3: 1.5 times the keep-alive; 0 and what is over the bound are the bound.</summary>
    public void ExpectKeepAlive(ushort seconds)
    {
        var longest = TimeSpan.FromSeconds(HubLimits.MaxKeepAliveTimeoutSeconds);
        var asked = TimeSpan.FromSeconds(seconds * 1.5);
        _keepAlive = Length(seconds is 0 || asked > longest ? longest : asked);
        ExpectToBeHeard();
    }

    /// <summary>The peer sent something.</summary>
    /// <returns>When that was.</returns>
    public long Heard()
    {
        var now = _time.GetTimestamp();
        Volatile.Write(ref _since, now);
        return now;
    }

    /// <summary>The peer does not take what it is sent, and nothing is read from it meanwhile.</summary>
    public void ExpectToBeRead(TimeSpan timeout) => Expect(CloseReason.Throttled, Length(timeout));

    /// <summary>We do not read, for a reason of our own: the peer's silence is none of its fault.</summary>
    public void ExpectNothing() =>
        Expect(CloseReason.KeepAliveTimeout, Length(TimeSpan.FromSeconds(HubLimits.MaxKeepAliveTimeoutSeconds)));

    /// <summary>Back to the keep-alive, from now.</summary>
    public void ExpectToBeHeard() => Expect(CloseReason.KeepAliveTimeout, _keepAlive);

    /// <inheritdoc/>
    public void Dispose() => _wheel.Remove(this);

    private void Expect(CloseReason reason, long length)
    {
        _reason = reason;
        Volatile.Write(ref _allowed, length);
        Volatile.Write(ref _since, _time.GetTimestamp());
        _wheel.Schedule(this);
    }

    private long Length(TimeSpan span) => (long)(span.TotalSeconds * _time.TimestampFrequency);
}
