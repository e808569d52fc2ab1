using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Nave.Hub.Devices;
using Nave.Protocol.Identities;

namespace Nave.Hub.Access;

/// <summary>
/// Everything alive that stands on a grant. Looks once a second for tokens whose time is over, and at once when an
/// identity, policy or certificate authority changes; revokes within a second (design.md 4).
/// </summary>
/// <remarks>
/// A change of an identity is judged on the thread that made it, for the sessions of that identity; what needs a look-up
/// (modules after their device, renewed grants) and what concerns many (policies, authorities) is left to one runner.
/// </remarks>
internal sealed partial class LiveAccessTable : IHostedService, IAsyncDisposable
{
    private static readonly TimeSpan Resolution = TimeSpan.FromSeconds(1);

    private readonly AccessControl _access;
    private readonly IIdentitySource _identities;
    private readonly PolicyRegistry _policies;
    private readonly CertificateAuthorities _authorities;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    private readonly Lock _gate = new();
    private readonly WatchLists<long> _bySecond = new((AccessWatch watch) => ref watch.SecondLinks);
    private readonly WatchLists<DeviceId> _byDevice = new((AccessWatch watch) => ref watch.DeviceLinks);
    private readonly HashSet<DeviceId> _suspects = [];
    private readonly HashSet<AccessWatch> _newcomers = [];
    private long _sweptUntil;
    private bool _isAllSuspect;
    private int _count;

    // One token is enough to wake the runner; more would say the same.
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });

    private readonly CancellationTokenSource _stopping = new();
    private ITimer? _timer;
    private Task _runner = Task.CompletedTask;

    public LiveAccessTable(
        AccessControl access,
        IIdentitySource identities,
        PolicyRegistry policies,
        CertificateAuthorities authorities,
        TimeProvider time,
        ILogger<LiveAccessTable> logger)
    {
        _access = access;
        _identities = identities;
        _policies = policies;
        _authorities = authorities;
        _time = time;
        _logger = logger;
        _sweptUntil = time.GetUtcNow().ToUnixTimeSeconds();
        identities.Changed += IdentityChanged;
        policies.Changed += PolicyChanged;
        authorities.Changed += AllSuspect;
    }

    /// <summary>How many are watched.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>
    /// Watches until the returned watch is disposed of, and judges the grant once more soon: a change between its admission
    /// and this would else be heard by nobody.
    /// </summary>
    public AccessWatch Watch(ILiveAccess live)
    {
        var watch = new AccessWatch(this, live);
        lock (_gate)
        {
            watch.IsWatched = true;
            _byDevice.Add(watch.Device, watch);
            Schedule(watch);
            _count++;
            if (live.Grant.Identity is null)
            {
                _newcomers.Add(watch); // Sessions of identities are judged by who opens them, before they are used.
            }
        }

        _wake.Writer.TryWrite(true);
        return watch;
    }

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        _timer = _time.CreateTimer(_ => _wake.Writer.TryWrite(true), null, Resolution, Resolution);
        _runner = Task.Run(() => RunAsync(_stopping.Token), CancellationToken.None);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        _identities.Changed -= IdentityChanged;
        _policies.Changed -= PolicyChanged;
        _authorities.Changed -= AllSuspect;
        if (_timer is not null)
        {
            await _timer.DisposeAsync();
        }

        await _stopping.CancelAsync();
        await _runner;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (!_stopping.IsCancellationRequested)
        {
            await StopAsync(CancellationToken.None);
        }

        _stopping.Dispose();
    }

    /// <summary>One round: what has expired, and everything that a change has made doubtful.</summary>
    internal async Task LookAsync(CancellationToken stopping)
    {
        foreach (var watch in TakeExpired(_time.GetUtcNow()))
        {
            Revoke(watch, CloseReason.TokenExpired);
        }

        foreach (var watch in TakeAllIfSuspect())
        {
            if (_access.FindRevocationAtHand(watch.Live.Grant) is { } reason)
            {
                Revoke(watch, reason);
            }
        }

        foreach (var watch in TakeNewcomers())
        {
            await JudgeAsync(watch, stopping);
        }

        foreach (var device in TakeSuspects())
        {
            foreach (var watch in WatchesOf(device))
            {
                await JudgeAsync(watch, stopping);
            }
        }
    }

    internal void Renewed(AccessWatch watch)
    {
        lock (_gate)
        {
            if (!watch.IsWatched)
            {
                return;
            }

            Unschedule(watch);
            Schedule(watch);
            _newcomers.Add(watch);
        }

        _wake.Writer.TryWrite(true);
    }

    internal bool Forget(AccessWatch watch)
    {
        lock (_gate)
        {
            if (!watch.IsWatched)
            {
                return false;
            }

            watch.IsWatched = false;
            _newcomers.Remove(watch);
            Unschedule(watch);
            _byDevice.Remove(watch.Device, watch);
            _count--;
            return true;
        }
    }

    private async Task RunAsync(CancellationToken stopping)
    {
        try
        {
            await foreach (var _ in _wake.Reader.ReadAllAsync(stopping))
            {
                await LookAsync(stopping);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The hub stops; so do the sessions, by another hand.
        }
    }

    private void IdentityChanged(DeviceIdentity? before, DeviceIdentity? after)
    {
        // Editing a status reason, adding a tag: nothing that a credential stands on (spec/security.md 8).
        if (!IdentityRules.DecidesAccess(before, after))
        {
            return;
        }

        var id = before!.Id;
        var hasOthers = false;
        foreach (var watch in WatchesOf(id.Device))
        {
            if (watch.Live.Grant.Identity != id)
            {
                hasOthers = true;
            }
            else if (IdentityRules.FindRevocation(watch.Live.Grant, after) is { } reason)
            {
                Revoke(watch, reason);
            }
        }

        if (hasOthers && !id.IsModule)
        {
            Suspect(id.Device);
        }
    }

    private void PolicyChanged(string name) => AllSuspect();

    private void AllSuspect()
    {
        lock (_gate)
        {
            _isAllSuspect = true;
        }

        _wake.Writer.TryWrite(true);
    }

    private void Suspect(DeviceId device)
    {
        lock (_gate)
        {
            _suspects.Add(device);
        }

        _wake.Writer.TryWrite(true);
    }

    private async Task JudgeAsync(AccessWatch watch, CancellationToken stopping)
    {
        var grant = watch.Live.Grant;
        try
        {
            if (await _access.FindRevocationAsync(grant, stopping) is { } reason)
            {
                Revoke(watch, reason);
            }
        }
        catch (Exception e) when (!stopping.IsCancellationRequested)
        {
            // The next second tries again: a doubt is not forgotten because the database was busy.
            Log.NotJudged(_logger, WhoOf(grant), e);
            lock (_gate)
            {
                if (watch.IsWatched)
                {
                    _newcomers.Add(watch);
                }
            }
        }
    }

    private void Revoke(AccessWatch watch, CloseReason reason)
    {
        if (!Forget(watch))
        {
            return;
        }

        var grant = watch.Live.Grant;
        Log.Revoked(_logger, WhoOf(grant), reason);
        try
        {
            watch.Live.Revoke(reason);
        }
        catch (Exception e)
        {
            // One that fails must not keep the others connected.
            Log.RevokeFailed(_logger, WhoOf(grant), e);
        }
    }

    private static string WhoOf(AccessGrant grant) => grant.Identity?.ToString() ?? grant.PolicyName ?? "";

    private List<AccessWatch> WatchesOf(DeviceId device)
    {
        var watches = new List<AccessWatch>();
        lock (_gate)
        {
            _byDevice.CopyTo(device, watches);
        }

        return watches;
    }

    private List<AccessWatch> TakeAllIfSuspect()
    {
        var watches = new List<AccessWatch>();
        lock (_gate)
        {
            if (_isAllSuspect)
            {
                _isAllSuspect = false;
                watches.EnsureCapacity(_count);
                foreach (var device in _byDevice.Keys)
                {
                    _byDevice.CopyTo(device, watches);
                }
            }
        }

        return watches;
    }

    private AccessWatch[] TakeNewcomers()
    {
        lock (_gate)
        {
            AccessWatch[] newcomers = [.. _newcomers];
            _newcomers.Clear();
            return newcomers;
        }
    }

    private DeviceId[] TakeSuspects()
    {
        lock (_gate)
        {
            DeviceId[] suspects = [.. _suspects];
            _suspects.Clear();
            return suspects;
        }
    }

    private List<AccessWatch> TakeExpired(DateTimeOffset now)
    {
        var expired = new List<AccessWatch>();
        var due = new List<AccessWatch>();
        lock (_gate)
        {
            var second = now.ToUnixTimeSeconds();
            foreach (var passed in PassedSeconds(second))
            {
                _bySecond.CopyTo(passed, due);
            }

            // Also when the clock was set back: what is new then counts from there.
            _sweptUntil = second;
            foreach (var watch in due)
            {
                Unschedule(watch);
                if (now > watch.Live.Grant.ExpiresAt)
                {
                    expired.Add(watch);
                }
                else
                {
                    Schedule(watch); // Renewed since, or ends within this second.
                }
            }
        }

        return expired;
    }

    private List<long> PassedSeconds(long second) => second - _sweptUntil > _bySecond.Count
        ? [.. _bySecond.Keys.Where(key => key <= second)]
        : [.. Enumerable.Range(1, (int)Math.Max(0, second - _sweptUntil)).Select(step => _sweptUntil + step)];

    private void Schedule(AccessWatch watch)
    {
        var end = watch.Live.Grant.ExpiresAt;
        if (end < DateTimeOffset.MaxValue)
        {
            watch.Second = Math.Max(end.ToUnixTimeSeconds(), _sweptUntil + 1);
            _bySecond.Add(watch.Second.Value, watch);
        }
    }

    private void Unschedule(AccessWatch watch)
    {
        if (watch.Second is { } second)
        {
            _bySecond.Remove(second, watch);
            watch.Second = null;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1030, LogLevel.Debug, "{Who} is cut: {Reason}")]
        public static partial void Revoked(ILogger logger, string who, CloseReason reason);

        [LoggerMessage(1031, LogLevel.Error, "Whether {Who} may stay connected could not be judged; it is tried again")]
        public static partial void NotJudged(ILogger logger, string who, Exception exception);

        [LoggerMessage(1032, LogLevel.Error, "The connection of {Who} did not take its end")]
        public static partial void RevokeFailed(ILogger logger, string who, Exception exception);
    }
}
