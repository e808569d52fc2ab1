using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Nave.Hub.Events;
using Nave.Protocol.Identities;

namespace Nave.Hub.Devices;

/// <summary>
/// Who is connected, by which protocol, since when, why it ended, and when it was last heard: rows that carry the node's
/// incarnation, so that those of a former life read as disconnected. Answers from memory; SQL follows in batches, and
/// nothing here waits for it. An aid for development, no truth: what a kill leaves unwritten is lost.
/// </summary>
internal sealed partial class Presence : IDisposable
{
    /// <summary>How often memory goes to SQL; also the precision of the last activity.</summary>
    public static readonly TimeSpan FlushInterval = TimeSpan.FromSeconds(1);

    // A unit of this many rows holds the writer for some milliseconds.
    private const int RowsPerUnit = 200;

    // The starts of nodes number the upper half of an epoch: nothing of a former life needs to be read to stay above it.
    private const int EpochBitsPerStart = 32;

    private readonly ConcurrentDictionary<IdentityId, PresenceEntry> _entries = new();
    private readonly PresenceStore _store;
    private readonly ConnectionEvents _events;
    private readonly NodeIncarnation _node;
    private readonly TimeProvider _time;
    private readonly ILogger<Presence> _logger;
    private readonly CancellationTokenSource _stopping = new();
    private readonly SemaphoreSlim _flush = new(1, 1);
    private Task _flushing = Task.CompletedTask;
    private DateTimeOffset _startedAt;
    private long _highestEpoch;
    private int _connectedDevices;

    public Presence(
        PresenceStore store, DeviceRegistry registry, ConnectionEvents events, NodeIncarnation node, TimeProvider time, ILogger<Presence> logger)
    {
        _store = store;
        _events = events;
        _node = node;
        _time = time;
        _logger = logger;
        registry.Changed += OnChanged;
    }

    /// <summary>Devices with a connection here; modules are not counted.</summary>
    public int ConnectedDevices => Volatile.Read(ref _connectedDevices);

    /// <summary>Counts this start, and begins to write behind. Before the first connection.</summary>
    public async Task StartAsync(CancellationToken stopping)
    {
        _startedAt = _time.GetUtcNow();
        _highestEpoch = await _store.CountStartAsync(stopping) << EpochBitsPerStart;
        _flushing = RunAsync(_stopping.Token);
    }

    /// <summary>Writes what is left.</summary>
    public async Task StopAsync()
    {
        await _stopping.CancelAsync();
        await _flushing;
        await FlushAsync();
    }

    /// <summary>A session has taken the place.</summary>
    /// <returns>What the session tells when it hears from its peer.</returns>
    public PresenceEntry Connected(IdentityId id, SessionName session, DeviceProtocol protocol)
    {
        RaiseTo(session.Epoch);
        while (true)
        {
            var entry = _entries.GetOrAdd(id, static id => new PresenceEntry(id));
            switch (entry.TryConnect(session, protocol, _time.GetUtcNow()))
            {
                case ConnectResult.NewlyConnected when !id.IsModule:
                    Interlocked.Increment(ref _connectedDevices);
                    return entry;
                case ConnectResult.Removed:
                    continue; // Written and forgotten in this very moment: take a new one.
                default:
                    return entry;
            }
        }
    }

    /// <summary>The session that had the place is over.</summary>
    public void Disconnected(IdentityId id, SessionName session, CloseReason reason)
    {
        if (_entries.TryGetValue(id, out var entry) && entry.TryDisconnect(session, reason, _time.GetUtcNow()) && !id.IsModule)
        {
            Interlocked.Decrement(ref _connectedDevices);
        }
    }

    /// <summary>The highest epoch known of the identity: never lower than any it had, in this life or a former one.</summary>
    public long LastEpoch(IdentityId id) => Volatile.Read(ref _highestEpoch);

    /// <summary>What the registry shows of an identity's connection.</summary>
    public async ValueTask<PresenceState> GetAsync(IdentityId id, CancellationToken stopping) =>
        _entries.TryGetValue(id, out var entry) ? entry.State(_time.GetUtcNow())
        : Judge((await _store.FindAsync(id, stopping))?.Stored);

    /// <summary>The same where the row was read with something else; null for none.</summary>
    public PresenceState StateOf(IdentityId id, StoredPresence? stored) =>
        _entries.TryGetValue(id, out var entry) ? entry.State(_time.GetUtcNow()) : Judge(stored);

    /// <summary>The same for many identities in one read; those never connected are absent.</summary>
    public async ValueTask<IReadOnlyDictionary<IdentityId, PresenceState>> ListAsync(
        DeviceId first, DeviceId last, CancellationToken stopping)
    {
        var states = new Dictionary<IdentityId, PresenceState>();
        foreach (var row in await _store.ListAsync(first, last, stopping))
        {
            states[row.Id] = _entries.TryGetValue(row.Id, out var entry) ? entry.State(_time.GetUtcNow()) : Judge(row.Stored);
        }

        // What has connected since the last flush and never before.
        var now = _time.GetUtcNow();
        foreach (var (id, entry) in _entries)
        {
            if (string.CompareOrdinal(id.Device.Value, first.Value) >= 0 && string.CompareOrdinal(id.Device.Value, last.Value) <= 0)
            {
                states.TryAdd(id, entry.State(now));
            }
        }

        return states;
    }

    /// <summary>Writes what has changed until now, after the writing under way; also called by the clock.</summary>
    public async Task FlushAsync()
    {
        await _flush.WaitAsync();
        try
        {
            await WriteAsync();
        }
        finally
        {
            _flush.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stopping.Dispose();
        _flush.Dispose();
    }

    private async Task WriteAsync()
    {
        var now = _time.GetUtcNow();
        foreach (var batch in _entries.Values.Where(entry => entry.IsDirty).Chunk(RowsPerUnit))
        {
            var rows = batch.Select(entry => entry.TakeRow(now)).ToList();
            try
            {
                await _store.PutAsync(rows, CancellationToken.None);
            }
            catch (IOException e)
            {
                Array.ForEach(batch, entry => entry.MarkDirty());
                Log.NotWritten(_logger, batch.Length, e.Message);
                return;
            }

            foreach (var entry in batch.Where(entry => entry.TryRemove()))
            {
                _entries.TryRemove(KeyValuePair.Create(entry.Id, entry));
            }

            rows.ForEach(_events.Observe);
        }

        // A hub that stops says nothing of those it disconnects: they come back.
        if (!_stopping.IsCancellationRequested)
        {
            await _events.TellAsync(id => _entries.TryGetValue(id, out var entry) && entry.State(now).IsConnected, _stopping.Token);
        }
    }

    private async Task RunAsync(CancellationToken stopping)
    {
        using var timer = new PeriodicTimer(FlushInterval, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(stopping))
            {
                await FlushAsync();
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The stop writes the rest.
        }
        catch (Exception e) // The runner's last line: connection states would silently stand still.
        {
            Log.Failed(_logger, e);
        }
    }

    // A re-created identity begins without a past; the row went with the identity.
    private void OnChanged(DeviceIdentity? before, DeviceIdentity? after)
    {
        if (after is null && before is not null && _entries.TryRemove(before.Id, out var entry) && entry.Remove() && !before.Id.IsModule)
        {
            Interlocked.Decrement(ref _connectedDevices);
        }
    }

    // Row of a former life: the restart ended it (spec/messaging-semantics.md 7).
    private PresenceState Judge(StoredPresence? stored) =>
        stored is not { } row ? default
        : row.Node == _node.Id || !row.IsConnected ? new PresenceState(row.IsConnected, row.Since, row.LastActivity) { Protocol = row.Protocol, Reason = row.Reason }
        : new PresenceState(false, _startedAt, row.LastActivity) { Protocol = row.Protocol, Reason = CloseReason.HubStopping };

    private void RaiseTo(long epoch)
    {
        var highest = Volatile.Read(ref _highestEpoch);
        while (epoch > highest)
        {
            var seen = Interlocked.CompareExchange(ref _highestEpoch, epoch, highest);
            if (seen == highest)
            {
                return;
            }

            highest = seen;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(3020, LogLevel.Warning, "The connection states of {Count} identities could not be written and will be tried again: {Reason}")]
        public static partial void NotWritten(ILogger logger, int count, string reason);

        [LoggerMessage(3021, LogLevel.Error, "Connection states are no longer written")]
        public static partial void Failed(ILogger logger, Exception e);
    }
}

/// <summary>What the registry shows of a connection: null where it never was.</summary>
internal readonly record struct PresenceState(bool IsConnected, DateTimeOffset? UpdatedTime, DateTimeOffset? LastActivity)
{
    /// <summary>By which protocol, where it is known.</summary>
    public DeviceProtocol? Protocol { get; init; }

    /// <summary>Why the last connection ended, where it did and is known.</summary>
    public CloseReason? Reason { get; init; }
}

/// <summary>What a row of presence says, where it is read beside other tables.</summary>
internal readonly record struct StoredPresence(Guid Node, bool IsConnected, DateTimeOffset Since, DateTimeOffset LastActivity)
{
    /// <summary>By which protocol, where it was read.</summary>
    public DeviceProtocol? Protocol { get; init; }

    /// <summary>Why the connection ended, where it did and was read.</summary>
    public CloseReason? Reason { get; init; }
}
