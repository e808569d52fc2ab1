using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;
using Nave.Hub.Devices;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Faults;

/// <summary>
/// Carries out the faults that devices ask for on their own connections, so that reconnect logic can be tried
/// (spec/sdk-gotchas.md 6, docs/decisions/0009-fault-injection.md). Off unless <c>Testing:FaultInjection</c> is on. State
/// is in memory alone: a restart ends every fault.
/// </summary>
internal sealed partial class FaultInjection(bool isOn, TimeProvider time, ILogger<FaultInjection> logger) : IDisposable
{
    // Faults under way in all, and wishes remembered: a device that asks for more is answered, and nothing happens.
    private const int MaxUnderWay = 1_000;
    private const int MaxRemembered = 10_000;

    // A client whose PUBACK got lost in the fault sends its wish again (spec/sdk-gotchas.md 6 rule 1).
    private static readonly TimeSpan RememberedFor = TimeSpan.FromSeconds(60);

    // The request itself is acknowledged before its fault comes (rule 1).
    private static readonly TimeSpan LeastDelay = TimeSpan.FromMilliseconds(100);

    private readonly HashSet<string> _remembered = []; // Guards the queue too.
    private readonly Queue<(long At, string Key)> _inOrder = new();
    private readonly ConcurrentDictionary<IdentityId, Refusal> _refusals = new();
    private readonly ConcurrentDictionary<Pending, byte> _pending = new();

    /// <summary>Whether devices may ask for faults at all.</summary>
    public bool IsOn => isOn;

    /// <summary>
    /// Takes a device's wish: the fault follows after its delay. The message itself is acknowledged and goes nowhere. A
    /// wish that was taken within the last minute is not carried out again.
    /// </summary>
    /// <param name="id">Who asks, for itself.</param>
    /// <param name="channel">The connection that asks.</param>
    /// <param name="request">The wish.</param>
    /// <param name="message">What makes the message the same when it is sent again: its id, or its bytes.</param>
    /// <param name="isImmediate">Whether the delay is left out (HTTP, rule 2).</param>
    public void Take(IdentityId id, IDeviceChannel channel, FaultRequest request, ReadOnlySpan<byte> message, bool isImmediate = false)
    {
        if (!Remember(id, request, message) || _pending.Count >= MaxUnderWay)
        {
            return;
        }

        Log.Taken(logger, id.ToString(), request.Kind, request.Delay, request.Duration);
        var pending = new Pending(this, id, channel, request);
        _pending.TryAdd(pending, 0);
        pending.Start(isImmediate ? TimeSpan.Zero : request.Delay > LeastDelay ? request.Delay : LeastDelay);
    }

    /// <summary>Why telemetry of that identity is refused now; null when it is not.</summary>
    public HubFailure? FindRefusal(IdentityId id) => !_refusals.IsEmpty && Find(id) is { } refusal ? refusal.Failure : null;

    /// <summary>Completes when telemetry of that identity is no longer refused.</summary>
    public async ValueTask WaitForEndAsync(IdentityId id, CancellationToken stopping)
    {
        while (Find(id) is { } refusal)
        {
            await Task.Delay(refusal.Left(time), time, stopping);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var pending in _pending.Keys)
        {
            pending.Dispose();
        }
    }

    private Refusal? Find(IdentityId id)
    {
        if (!_refusals.TryGetValue(id, out var refusal))
        {
            return null;
        }

        if (refusal.Left(time) > TimeSpan.Zero)
        {
            return refusal;
        }

        _refusals.TryRemove(new(id, refusal));
        return null;
    }

    private bool Remember(IdentityId id, FaultRequest request, ReadOnlySpan<byte> message)
    {
        var key = Convert.ToHexString(SHA256.HashData([.. Encoding.UTF8.GetBytes($"{id}\n{request}\n"), .. message]));
        lock (_remembered)
        {
            while (_inOrder.TryPeek(out var oldest) && time.GetElapsedTime(oldest.At) > RememberedFor)
            {
                _remembered.Remove(_inOrder.Dequeue().Key);
            }

            if (_remembered.Count >= MaxRemembered || !_remembered.Add(key))
            {
                return false;
            }

            _inOrder.Enqueue((time.GetTimestamp(), key));
            return true;
        }
    }

    private void Begin(Pending pending)
    {
        _pending.TryRemove(pending, out _);
        var (id, request) = (pending.Id, pending.Request);
        if (request.IsRefusal)
        {
            Log.Refusing(logger, id.ToString(), request.Kind, request.Duration);
            _refusals[id] = new Refusal(FailureOf(request), time.GetTimestamp(), request.Duration);
        }
        else
        {
            Log.Cut(logger, id.ToString(), request.Kind, HubErrorCode.ConnectionForcefullyClosedOnFaultInjection);
            pending.Channel.Inject(request.Kind, request.Reason);
        }
    }

    private static HubFailure FailureOf(FaultRequest request) => (request.Kind switch
    {
        FaultKind.InvokeThrottling => HubFailures.Throttled,
        FaultKind.InvokeMaxMessageQuota => HubFailures.QuotaExceeded,
        _ => HubFailures.Unauthorized,
    }).Because("The device asked for this fault.");

    private sealed record Refusal(HubFailure Failure, long Since, TimeSpan Duration)
    {
        public TimeSpan Left(TimeProvider time) => Duration - time.GetElapsedTime(Since);
    }

    /// <summary>A fault that is to come. Compared by reference.</summary>
    private sealed class Pending(FaultInjection owner, IdentityId id, IDeviceChannel channel, FaultRequest request) : IDisposable
    {
        private ITimer? _timer;

        public IdentityId Id { get; } = id;

        public IDeviceChannel Channel { get; } = channel;

        public FaultRequest Request { get; } = request;

        public void Start(TimeSpan delay)
        {
            if (delay == TimeSpan.Zero)
            {
                owner.Begin(this);
                return;
            }

            _timer = owner.CreateTimer(this, delay);
        }

        public void Dispose() => _timer?.Dispose();
    }

    private ITimer CreateTimer(Pending pending, TimeSpan delay) => time.CreateTimer(
        static state =>
        {
            var (owner, due) = ((FaultInjection, Pending))state!;
            owner.Begin(due);
            due.Dispose();
        },
        (this, pending),
        delay,
        Timeout.InfiniteTimeSpan);

    private static partial class Log
    {
        [LoggerMessage(3050, LogLevel.Debug, "{DeviceId} asks for the fault {Fault} after {Delay}, for {Duration}")]
        public static partial void Taken(ILogger logger, string deviceId, FaultKind fault, TimeSpan delay, TimeSpan duration);

        [LoggerMessage(3051, LogLevel.Debug, "{DeviceId}: injected {Fault}, {ErrorCode}")]
        public static partial void Cut(ILogger logger, string deviceId, FaultKind fault, HubErrorCode errorCode);

        [LoggerMessage(3052, LogLevel.Debug, "{DeviceId}: injected {Fault} for {Duration}: its telemetry is refused")]
        public static partial void Refusing(ILogger logger, string deviceId, FaultKind fault, TimeSpan duration);
    }
}
