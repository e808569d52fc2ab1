using System.Collections.Concurrent;
using System.Text;
using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Nave.EventLog;
using Nave.Hub.Devices;
using Nave.Hub.Twins;
using Nave.Protocol.Identities;

namespace Nave.Hub.Heartbeats;

/// <summary>
/// The heartbeat monitor while the hub runs: loads devices and rules, follows their changes, scans the table four times a
/// second, and takes each transition first to SQL, with its event, then to listeners. One reader of each of its queues;
/// docs/decisions/0019-heartbeats.md says what a crash at each step leaves.
/// </summary>
internal sealed partial class HeartbeatMonitor(
    HeartbeatTable table,
    HeartbeatStore store,
    HeartbeatWrites writes,
    HeartbeatFeed feed,
    HeartbeatAlerts alerts,
    HeartbeatSilences silences,
    HeartbeatWebhooks webhooks,
    HeartbeatOptions options,
    DeviceRegistry registry,
    TwinWriter twins,
    IEventLog log,
    TimeProvider time,
    ILogger<HeartbeatMonitor> logger) : BackgroundService
{
    /// <summary>Between two scans; a silence is found at most two of them late.</summary>
    public static readonly TimeSpan ScanInterval = TimeSpan.FromMilliseconds(250);

    // A page of the load is read in some milliseconds and leaves the readers to others in between.
    private const int DevicesPerPage = 2_000;

    // Scans whose transitions are not yet in SQL; beyond it the scan waits, and deadlines stand still.
    private const int MaxScansAhead = 64;

    // Transitions whose bodies are in memory at once.
    private const int MostTogether = 10_000;

    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    private readonly Channel<List<HeartbeatTransition>> _found =
        Channel.CreateBounded<List<HeartbeatTransition>>(new BoundedChannelOptions(MaxScansAhead) { SingleReader = true });

    // One token however many: a signal, not a queue.
    private readonly AsyncSignal _wakeUp = new();
    private readonly ConcurrentDictionary<string, byte> _retag = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<HeartbeatTransition> _statusChanges = new();
    private readonly ConcurrentQueue<(string What, DateTimeOffset At, byte[] Body)> _hubEvents = new();
    private readonly Lock _loading = new();
    private readonly TaskCompletionSource _loaded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private HashSet<string>? _goneWhileLoading = new(StringComparer.Ordinal);
    private HeartbeatRules _rules = new([], options.Terms, options.GroupTag);
    private int _reruleAll;
    private int _isReleased;
    private bool _isDeaf;
    private long _scanned;

    /// <summary>The rules in force.</summary>
    public HeartbeatRules Rules => Volatile.Read(ref _rules);

    /// <summary>Completes when every device of the registry is watched.</summary>
    public Task Loaded => _loaded.Task;

    /// <summary>Scans done, for metrics.</summary>
    public long Scans => Interlocked.Read(ref _scanned);

    /// <summary>Whether deadlines stand still now, because the hub cannot hear.</summary>
    public bool IsDeaf => Volatile.Read(ref _isDeaf);

    /// <summary>A rule was set or taken away: the fleet is judged by the new ones.</summary>
    public async Task ReadRulesAsync(CancellationToken stopping)
    {
        Volatile.Write(ref _rules, new HeartbeatRules(await store.ListRulesAsync(stopping), options.Terms, options.GroupTag));
        Interlocked.Exchange(ref _reruleAll, 1);
        _wakeUp.Set();
    }

    /// <inheritdoc/>
    public override Task StartAsync(CancellationToken cancellationToken)
    {
        registry.Changed += OnChanged;
        twins.TagsChanging += OnTagsChanging;
        twins.Changing += OnTwinChanging;
        return base.StartAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        registry.Changed -= OnChanged;
        twins.TagsChanging -= OnTagsChanging;
        twins.Changing -= OnTwinChanging;
        await base.StopAsync(cancellationToken);
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await RetryAsync(() => ReadRulesAsync(stoppingToken), stoppingToken);
            await RetryAsync(() => silences.LoadAsync(stoppingToken), stoppingToken);
            await LoadAsync(stoppingToken);
            await Task.WhenAll(ScanAsync(stoppingToken), TellAsync(stoppingToken), FollowAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // What was not told is found again by the next start.
        }
        catch (Exception e) // The runner's last line: silence would go unnoticed.
        {
            Log.Failed(logger, e);
        }
    }

    private async Task LoadAsync(CancellationToken stopping)
    {
        var after = "";
        while (await RetryAsync(() => store.ListAsync(after, DevicesPerPage, Rules, stopping), stopping) is { Count: > 0 } page)
        {
            var wall = time.GetUtcNow();
            var changed = new List<(string, HeartbeatState)>();
            foreach (var device in page)
            {
                var (terms, group) = Rules.Resolve(device.Tags, device.Rule);
                lock (_loading)
                {
                    if (_goneWhileLoading!.Contains(device.DeviceId)) // Not null while loading.
                    {
                        continue;
                    }

                    var state = table.Add(device.DeviceId, device.IsEnabled, device.Heartbeat, wall);
                    table.SetTerms(device.DeviceId, terms, group);
                    if (device.Heartbeat is { } stored && stored.State != state)
                    {
                        changed.Add((device.DeviceId, state));
                    }
                }
            }

            if (changed.Count > 0)
            {
                await RetryAsync(() => store.PutStatesAsync(changed, stopping), stopping);
            }

            after = page[^1].DeviceId;
        }

        lock (_loading)
        {
            _goneWhileLoading = null;
        }

        Interlocked.Exchange(ref _reruleAll, 0);
        _loaded.TrySetResult();
    }

    private async Task ScanAsync(CancellationToken stopping)
    {
        var clock = new HearingClock(time);
        var scannedAt = time.GetUtcNow();
        using var timer = new PeriodicTimer(ScanInterval, time);
        while (await timer.WaitForNextTickAsync(stopping))
        {
            var fault = log.Fault?.Message;
            var gap = clock.Advance(isHearing: fault is null);
            var wall = time.GetUtcNow();
            TellOfDeafness(fault, gap, wall);
            var found = new List<HeartbeatTransition>();
            while (_statusChanges.TryDequeue(out var change))
            {
                found.Add(change);
            }

            table.Scan(clock.NowMs, wall, found);
            Interlocked.Increment(ref _scanned);
            // Nothing found is told as well where a silence has ended: what it held back may still stand.
            var isReleased = silences.TakeEnded(scannedAt, wall);
            if (isReleased)
            {
                Volatile.Write(ref _isReleased, 1); // Until who tells has taken it.
            }

            scannedAt = wall;
            if (found.Count > 0 || isReleased || !_hubEvents.IsEmpty)
            {
                writes.Found();
                await _found.Writer.WriteAsync(found, stopping);
            }
        }
    }

    // One event when deadlines stop, one when they go on.
    private void TellOfDeafness(string? fault, TimeSpan gap, DateTimeOffset wall)
    {
        if (gap > TimeSpan.Zero && fault is null)
        {
            Log.Gap(logger, gap.TotalSeconds);
            Tell("gap", gap.TotalSeconds);
        }

        if (fault is not null != _isDeaf)
        {
            Volatile.Write(ref _isDeaf, fault is not null);
            if (fault is not null)
            {
                Log.Deaf(logger, fault);
            }
            else
            {
                Log.Hearing(logger);
            }

            Tell(fault is not null ? "deaf" : "hearing", null);
        }

        void Tell(string what, double? seconds)
        {
            var body = Encoding.UTF8.GetBytes(
                new System.Text.Json.Nodes.JsonObject { ["hub"] = what, ["at"] = HeartbeatJson.Text(wall), ["seconds"] = seconds }.ToJsonString());
            feed.Tell(new HeartbeatNotice("hub", body));
            _hubEvents.Enqueue((what, wall, body));
        }
    }

    // First durable, with its event; then told.
    private async Task TellAsync(CancellationToken stopping)
    {
        while (await _found.Reader.WaitToReadAsync(stopping))
        {
            // Scans that waited for the writer are written together: a fleet that comes all at once is not a unit a scan.
            var found = new List<HeartbeatTransition>();
            var scans = 0;
            while (found.Count < MostTogether && _found.Reader.TryRead(out var next))
            {
                found.AddRange(next);
                scans++;
            }

            var bodies = found.ConvertAll(transition => (transition, HeartbeatJson.Write(transition)));
            var isReleased = Interlocked.Exchange(ref _isReleased, 0) != 0; // Before the time is read: what has ended is over then.
            var now = time.GetUtcNow();
            IReadOnlyList<HeartbeatNotice> notices = [.. alerts.Of(bodies, now), .. isReleased ? alerts.Released(now) : []];

            // Each unit is tried again alone: what is written is not written twice.
            var units = notices.Chunk(HeartbeatStore.RowsPerUnit).ToArray();
            await RetryAsync(() => store.PutAsync(bodies, units is [var first, ..] ? first : [], stopping), stopping);
            foreach (var unit in units.Skip(1))
            {
                await RetryAsync(() => store.PutAsync([], unit, stopping), stopping);
            }

            writes.Written(scans);
            while (_hubEvents.TryPeek(out var own))
            {
                await RetryAsync(() => store.PutHubEventAsync(own.What, own.At, own.Body, stopping), stopping);
                _hubEvents.TryDequeue(out _);
            }

            foreach (var (_, body) in bodies)
            {
                feed.Tell(new HeartbeatNotice("transition", body));
            }

            foreach (var alert in notices)
            {
                feed.Tell(alert);
            }

            if (notices.Count > 0)
            {
                webhooks.WakeUp();
            }
        }
    }

    // Follows tags and rules.
    private async Task FollowAsync(CancellationToken stopping)
    {
        while (true)
        {
            await _wakeUp.WaitAsync(stopping);
            if (Interlocked.Exchange(ref _reruleAll, 0) != 0)
            {
                await ReruleAllAsync(stopping);
            }

            foreach (var unit in _retag.Keys.ToArray().Chunk(DevicesPerPage))
            {
                Array.ForEach(unit, device => _retag.TryRemove(device, out _));
                (await RetryAsync(() => store.ReadTagsAsync(unit, Rules, stopping), stopping)).ForEach(Resolve);
            }
        }
    }

    private async Task ReruleAllAsync(CancellationToken stopping)
    {
        var after = "";
        while (await RetryAsync(() => store.ListAsync(after, DevicesPerPage, Rules, stopping), stopping) is { Count: > 0 } page)
        {
            page.ForEach(device => Resolve(new TaggedDevice(device.DeviceId, device.Tags, device.Rule)));
            after = page[^1].DeviceId;
        }
    }

    private void Resolve(TaggedDevice device)
    {
        var (terms, group) = Rules.Resolve(device.Tags, device.Rule);
        table.SetTerms(device.DeviceId, terms, group);
    }

    // Where no rule reads properties, a reported patch costs this comparison.
    private void OnTwinChanging(IdentityId id)
    {
        if (Rules.ReadProperties)
        {
            OnTagsChanging(id);
        }
    }

    // Inside the unit that changes them; read in a later one.
    private void OnTagsChanging(IdentityId id)
    {
        if (!id.IsModule)
        {
            _retag.TryAdd(id.Device.Value, 0);
            _wakeUp.Set();
        }
    }

    // Returns at once and does not throw: the registry waits.
    private void OnChanged(DeviceIdentity? before, DeviceIdentity? after)
    {
        if ((after ?? before) is not { Id: { IsModule: false } id })
        {
            return;
        }

        var device = id.Device.Value;
        var wall = time.GetUtcNow();
        lock (_loading)
        {
            if (after is null)
            {
                _goneWhileLoading?.Add(device);
                table.Remove(device);
                return;
            }

            _goneWhileLoading?.Remove(device);
            if (before is null)
            {
                table.Add(device, after.IsEnabled, stored: null, wall);
                Resolve(new TaggedDevice(device, [], null));
                _retag.TryAdd(device, 0); // A bulk request gives tags with the identity.
                _wakeUp.Set();
            }
            else
            {
                if (before.IsEnabled != after.IsEnabled && table.SetEnabled(device, after.IsEnabled, wall) is { } change)
                {
                    _statusChanges.Enqueue(change);
                }

                OnTagsChanging(id); // A rule may ask for what the identity says.
            }
        }
    }

    private Task<bool> RetryAsync(Func<Task> act, CancellationToken stopping) => RetryAsync(
        async () =>
        {
            await act();
            return true;
        },
        stopping);

    private async Task<T> RetryAsync<T>(Func<Task<T>> act, CancellationToken stopping)
    {
        while (true)
        {
            try
            {
                return await act();
            }
            catch (Exception e) when (e is IOException or System.Data.Common.DbException)
            {
                Log.Retrying(logger, e.Message);
                await Task.Delay(RetryAfter, time, stopping);
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(8101, LogLevel.Warning, "Heartbeats: the hub did not run for {Seconds:F1} s; deadlines are put off")]
        public static partial void Gap(ILogger logger, double seconds);

        [LoggerMessage(8102, LogLevel.Warning, "Heartbeats: the hub takes no messages, so nobody is called silent: {Reason}")]
        public static partial void Deaf(ILogger logger, string reason);

        [LoggerMessage(8103, LogLevel.Information, "Heartbeats: the hub takes messages again")]
        public static partial void Hearing(ILogger logger);

        [LoggerMessage(8104, LogLevel.Warning, "Heartbeats: the database is not to be had and will be tried again: {Reason}")]
        public static partial void Retrying(ILogger logger, string reason);

        [LoggerMessage(8105, LogLevel.Error, "Heartbeats are no longer watched")]
        public static partial void Failed(ILogger logger, Exception e);
    }
}
