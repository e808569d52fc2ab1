using Nave.Hub.Access;
using Nave.Hub.Devices;
using Nave.Protocol.Identities;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// The devices and modules that one connection carries, each with a session of its own (spec/device-amqp.md 4.6). What
/// befalls one touches its links and no others.
/// </summary>
internal sealed class ConnectionDevices(AmqpConnection connection) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<IdentityId, ConnectedDevice> _devices = [];
    private readonly CancellationTokenSource _closed = new();
    private bool _isOver;

    /// <summary>The connection that carries them.</summary>
    public AmqpConnection Connection => connection;

    /// <summary>Acknowledgements of all telemetry on the connection.</summary>
    public TelemetryAcks Acks { get; } = new(connection);

    /// <summary>Cancelled when the connection has ended.</summary>
    public CancellationToken Closed => _closed.Token;

    /// <summary>The identity's device if it has a session here.</summary>
    public ConnectedDevice? Find(IdentityId id)
    {
        lock (_lock)
        {
            return _devices.GetValueOrDefault(id);
        }
    }

    /// <summary>Takes a device in; false when the connection has ended.</summary>
    public bool TryAdd(ConnectedDevice device)
    {
        lock (_lock)
        {
            return !_isOver && _devices.TryAdd(device.Id, device);
        }
    }

    /// <summary>The device's session is over.</summary>
    public void Remove(ConnectedDevice device)
    {
        lock (_lock)
        {
            if (_devices.GetValueOrDefault(device.Id) == device)
            {
                _devices.Remove(device.Id);
            }
        }
    }

    /// <summary>A token was put: the sessions that stand on its predecessor stand on it from now on, links untouched.</summary>
    public void Renew(AccessGrant grant)
    {
        foreach (var device in Snapshot())
        {
            if (device.Session is { } session && Succeeds(session.Grant, grant))
            {
                session.Renew(session.Grant with { ExpiresAt = grant.ExpiresAt, ProofDigest = grant.ProofDigest, Scope = grant.Scope });
            }
        }
    }

    /// <summary>The connection is over, and with it every session on it.</summary>
    public async ValueTask EndAsync(CloseReason reason)
    {
        lock (_lock)
        {
            _isOver = true;
        }

        await _closed.CancelAsync();
        foreach (var device in Snapshot())
        {
            device.Close(reason);
            await device.Ended;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _closed.Dispose();

    private static bool Succeeds(AccessGrant old, AccessGrant grant) =>
        grant.Kind == old.Kind
        && grant.PolicyName == old.PolicyName
        && (grant.Identity ?? old.Identity) == old.Identity
        && string.Equals(grant.Scope, old.Scope, StringComparison.OrdinalIgnoreCase);

    private ConnectedDevice[] Snapshot()
    {
        lock (_lock)
        {
            return [.. _devices.Values];
        }
    }
}
