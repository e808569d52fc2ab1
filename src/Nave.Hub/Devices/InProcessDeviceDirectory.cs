using Nave.Protocol.Identities;

namespace Nave.Hub.Devices;

/// <summary>
/// The home of actors when the hub is one process: shards of a dictionary, each with a lock that is its actors' turn.
/// Turns are short: an actor's calls neither wait nor do I/O while the shard's lock is held.
/// </summary>
internal sealed class InProcessDeviceDirectory : IDeviceDirectory
{
    // Far more shards than cores: two devices seldom meet on one lock.
    private const int ShardCount = 256;

    private readonly Dictionary<IdentityId, DeviceActor>[] _shards =
        [.. Enumerable.Range(0, ShardCount).Select(_ => new Dictionary<IdentityId, DeviceActor>())];

    /// <inheritdoc/>
    public ValueTask<TakeoverResult> ConnectAsync(
        IdentityId id, Guid node, long session, long epochFloor, CancellationToken stopping)
    {
        var shard = ShardOf(id);
        lock (shard)
        {
            if (!shard.TryGetValue(id, out var actor))
            {
                shard[id] = actor = new DeviceActor(id);
            }

            return ValueTask.FromResult(actor.Connect(node, session, epochFloor));
        }
    }

    /// <inheritdoc/>
    public ValueTask<bool> DisconnectAsync(IdentityId id, SessionName session, CancellationToken stopping)
    {
        var shard = ShardOf(id);
        lock (shard)
        {
            if (!shard.TryGetValue(id, out var actor) || !actor.Disconnect(session))
            {
                return ValueTask.FromResult(false);
            }

            if (actor.IsIdle)
            {
                shard.Remove(id);
            }

            return ValueTask.FromResult(true);
        }
    }

    /// <inheritdoc/>
    public ValueTask<SessionName?> FindConnectedAsync(IdentityId id, CancellationToken stopping)
    {
        var shard = ShardOf(id);
        lock (shard)
        {
            return ValueTask.FromResult(shard.TryGetValue(id, out var actor) ? actor.Connected : null);
        }
    }

    private Dictionary<IdentityId, DeviceActor> ShardOf(IdentityId id) => _shards[(uint)id.GetHashCode() % ShardCount];
}
