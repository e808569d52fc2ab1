using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.PskGateway.Upstream;

/// <summary>
/// The hub over a pool of AMQP connections that many devices share (docs/decisions/0023-psk-upstream.md). Owns which device
/// is on which connection: the first with a free place, or a new one; an empty one is closed, a lost one is replaced when
/// the next device comes, not before the back-off allows it.
/// </summary>
internal sealed partial class HubPool : IHubUpstream
{
    private static readonly TimeSpan FirstBackoff = TimeSpan.FromSeconds(1);

    // How much later than its time a stalled device may be found.
    private const int LooksPerTimeout = 4;

    private readonly UpstreamContext _context;
    private readonly Backoff _backoff;
    private readonly CancellationTokenSource _stopping = new(); // Holds nothing that needs disposing: no timer, no wait handle.

    // Never held while the engine or a device is called.
    private readonly Lock _lock = new();
    private readonly List<Slot> _slots = [];
    private readonly Dictionary<DeviceId, HubDevice> _devices = [];

    private readonly Task _looking;

    private HubPool(UpstreamContext context, Func<double> chance)
    {
        _context = context;
        _backoff = new Backoff(FirstBackoff, context.Options.LongestBackoff, context.Time, chance);
        _looking = LookAsync();
    }

    /// <summary>Connections that are open or being opened.</summary>
    public int Connections
    {
        get
        {
            lock (_lock)
            {
                return _slots.Count;
            }
        }
    }

    /// <summary>Devices that are open.</summary>
    public int Devices
    {
        get
        {
            lock (_lock)
            {
                return _devices.Count;
            }
        }
    }

    /// <summary>Bytes on their way to the hub.</summary>
    public int PendingBytes => _context.Window.Bytes;

    /// <summary>Makes a pool; it connects when the first device comes.</summary>
    /// <param name="options">Settings.</param>
    /// <param name="time">The clock.</param>
    /// <param name="loggers">Where it is told.</param>
    /// <param name="pool">The pool.</param>
    /// <param name="problem">What is wrong with the settings; never shows a key.</param>
    public static bool TryCreate(
        UpstreamOptions options, TimeProvider time, ILoggerFactory loggers, [NotNullWhen(true)] out HubPool? pool, [NotNullWhen(false)] out string? problem)
    {
        pool = null;
        if (!HubPolicy.TryParse(options.ConnectionString, out var policy, out problem))
        {
            return false;
        }

        try
        {
            var address = new HubAddress(
                policy.HostName, options.ConnectTo ?? policy.HostName, policy.Port ?? options.Port, HubAddress.TrustOf(options.CaFile));
            pool = new HubPool(new UpstreamContext(options, address, policy, time, NewId, loggers.CreateLogger<HubPool>()), Chance);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            problem = $"The authority's certificate {options.CaFile} cannot be read: {e.Message}";
            return false;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<HubOpening> OpenAsync(DeviceId device, IHubDeviceEvents events, CancellationToken stopping)
    {
        // On one connection the hub would take two sessions of a device for one: the take-over is ours (spec/tls-psk.md row 16).
        await TakeOverAsync(device, null);
        if (Reserve() is not { } slot)
        {
            return Refuse(HubErrors.Stopping);
        }

        var outcome = await OpenAsync(slot, device, events, stopping);
        if (!outcome.TryGet(out var opened, out var failure))
        {
            Release(slot, null);
            return Refuse(failure);
        }

        lock (_lock)
        {
            slot.Devices.Add(opened);
        }

        _ = ReleaseWhenGoneAsync(slot, opened); // Ends with the device, never fails.
        await TakeOverAsync(device, opened);
        return new HubOpening(opened);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        Slot[] all;
        lock (_lock)
        {
            all = [.. _slots];
        }

        await Task.WhenAll(all.Select(slot => RetireAsync(slot, HubErrors.Stopping)));
        await _looking;
    }

    private static Guid NewId() => new(RandomNumberGenerator.GetBytes(16));

    private static double Chance() => RandomNumberGenerator.GetInt32(1000) / 1000.0;

    private static HubOpening Refuse(HubFailure failure) => new(null, HubErrors.ToRefusal(failure), failure.Detail ?? failure.Message);

    /// <summary>Looks now and then for devices whose messages the hub does not answer. Ends with the pool.</summary>
    private async Task LookAsync()
    {
        using var timer = new PeriodicTimer(_context.Options.SendTimeout / LooksPerTimeout, _context.Time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token))
            {
                HubDevice[] devices;
                lock (_lock)
                {
                    devices = [.. _devices.Values];
                }

                foreach (var device in devices)
                {
                    device.CloseIfStalled();
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The pool has ended.
        }
    }

    private async Task TakeOverAsync(DeviceId id, HubDevice? successor)
    {
        HubDevice? before;
        lock (_lock)
        {
            _devices.Remove(id, out before);
            if (successor is { Gone.IsCompleted: false })
            {
                _devices[id] = successor;
            }
        }

        if (before is not null)
        {
            await before.CloseAsync(HubFailures.TakenOver, isTold: true);
        }
    }

    private async Task<Outcome<HubDevice>> OpenAsync(Slot slot, DeviceId device, IHubDeviceEvents events, CancellationToken stopping)
    {
        try
        {
            return await slot.Opening.WaitAsync(_context.Options.ConnectTimeout, _context.Time, stopping)
                ?? await HubDevice.OpenAsync(_context, slot.Connection, device, events, stopping);
        }
        catch (Exception e) when (e is OperationCanceledException or TimeoutException)
        {
            return HubErrors.Lost("No connection to the hub could be had in time.");
        }
    }

    /// <summary>Takes a place on a connection; null when the pool has ended.</summary>
    private Slot? Reserve()
    {
        lock (_lock)
        {
            if (_stopping.IsCancellationRequested)
            {
                return null;
            }

            var slot = _slots.Find(slot => slot.Places < _context.Options.DevicesPerConnection);
            if (slot is null)
            {
                slot = new Slot(new HubConnection(_context));
                _slots.Add(slot);
                slot.Opening = ConnectAsync(slot);
            }

            slot.Places++;
            return slot;
        }
    }

    private async Task ReleaseWhenGoneAsync(Slot slot, HubDevice device)
    {
        await device.Gone;
        Release(slot, device);
    }

    private void Release(Slot slot, HubDevice? device)
    {
        lock (_lock)
        {
            if (device is not null)
            {
                slot.Devices.Remove(device);
                if (_devices.GetValueOrDefault(device.Id) == device)
                {
                    _devices.Remove(device.Id);
                }
            }

            if (--slot.Places > 0)
            {
                return;
            }
        }

        _ = CloseIfEmptyAsync(slot); // Never fails.
    }

    private async Task CloseIfEmptyAsync(Slot slot)
    {
        try
        {
            await Task.Delay(_context.Options.EmptyFor, _context.Time, _stopping.Token);
        }
        catch (OperationCanceledException)
        {
            return; // The pool closes everything.
        }

        lock (_lock)
        {
            // Nobody gets a place on it from now on.
            if (slot.Places > 0 || !_slots.Remove(slot))
            {
                return;
            }
        }

        Log.Emptied(_context.Logger);
        await slot.Connection.DisposeAsync();
    }

    private async Task<HubFailure?> ConnectAsync(Slot slot)
    {
        await Task.Yield(); // Off the pool's lock.
        try
        {
            await Task.Delay(_backoff.Remaining, _context.Time, _stopping.Token);
        }
        catch (OperationCanceledException)
        {
            return HubErrors.Stopping;
        }

        HubFailure? failure;
        try
        {
            failure = await slot.Connection.OpenAsync();
        }
        catch (Exception e)
        {
            Log.Broken(_context.Logger, e);
            failure = HubErrors.Lost(e.Message);
        }

        if (failure is not null)
        {
            Log.NotConnected(_context.Logger, _context.Address.HostName, failure.Detail);
            _backoff.OnFailure();
            await RetireAsync(slot, failure);
            return failure;
        }

        _backoff.OnSuccess();
        _ = WatchAsync(slot); // Ends with the connection, never fails.
        return null;
    }

    private async Task WatchAsync(Slot slot)
    {
        var reason = await slot.Connection.Ended;
        bool isLost;
        lock (_lock)
        {
            isLost = _slots.Contains(slot) && !_stopping.IsCancellationRequested;
        }

        if (isLost)
        {
            Log.Lost(_context.Logger, slot.Places, reason.Detail);
            _backoff.OnFailure();
            await RetireAsync(slot, reason);
        }
    }

    /// <summary>Takes a connection out, ends its devices and closes it.</summary>
    private async Task RetireAsync(Slot slot, HubFailure reason)
    {
        HubDevice[] devices;
        lock (_lock)
        {
            if (!_slots.Remove(slot))
            {
                return;
            }

            devices = [.. slot.Devices];
        }

        await Task.WhenAll(devices.Select(device => device.CloseAsync(reason, isTold: true)));
        await slot.Connection.DisposeAsync();
    }

    /// <summary>A connection and its places. Under the pool's lock.</summary>
    private sealed class Slot(HubConnection connection)
    {
        public HubConnection Connection { get; } = connection;

        /// <summary>Completes when the connection is open, with why not if it is not.</summary>
        public Task<HubFailure?> Opening { get; set; } = Task.FromResult<HubFailure?>(null);

        /// <summary>Places taken, those of devices that are being opened among them.</summary>
        public int Places { get; set; }

        public HashSet<HubDevice> Devices { get; } = [];
    }

    private static partial class Log
    {
        [LoggerMessage(9254, LogLevel.Warning, "The hub {HostName} cannot be reached: {Detail}")]
        public static partial void NotConnected(ILogger logger, string hostName, string? detail);

        [LoggerMessage(9257, LogLevel.Error, "A connection to the hub could not be opened for a reason that nobody foresaw")]
        public static partial void Broken(ILogger logger, Exception exception);

        [LoggerMessage(9255, LogLevel.Warning, "The connection to the hub with {DeviceCount} devices was lost: {Detail}")]
        public static partial void Lost(ILogger logger, int deviceCount, string? detail);

        [LoggerMessage(9256, LogLevel.Information, "An AMQP connection to the hub without devices is closed")]
        public static partial void Emptied(ILogger logger);
    }
}
