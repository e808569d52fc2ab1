using System.Buffers;
using System.Text;
using Nave.EventLog;
using Nave.Hub.Access;
using Nave.Hub.Commands;
using Nave.Hub.Faults;
using Nave.Hub.Heartbeats;
using Nave.Hub.Methods;
using Nave.Hub.Quotas;
using Nave.Hub.Telemetry;
using Nave.Hub.Twins;
using Nave.Protocol;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Devices;

/// <summary>
/// A connected device or module, whatever protocol it speaks: the waist between heads and the hub. A head authenticates,
/// opens a session with <see cref="DeviceSessions"/>, speaks to it in intents, and ends it once with
/// <see cref="EndAsync"/>. Holds everything the hot path asks for, as an immutable snapshot.
/// </summary>
internal sealed class DeviceSession : ILiveAccess
{
    // Of a message that goes nowhere: whatever waits for it waits no longer.
    private static readonly TelemetryResult Unstored = new(AppendOutcome.Taken, new LogPosition(long.MinValue), null);

    private static readonly TelemetryResult Waiting = new(AppendOutcome.Full, default, null);

    private readonly DeviceSessions _home;
    private readonly TelemetryPipeline _telemetry;
    private readonly FaultInjection _faults;
    private readonly IDeviceChannel _channel;
    private readonly HeartbeatIntake _heartbeats;
    private readonly HeartbeatMark _life;
    private readonly DeviceLimits _limits;
    private readonly HubMeter _hubMeter;
    private readonly SendMeter? _meter;
    private DeviceAllowance _allowance;

    // The message that was told to wait, by its properties: a head keeps them over its retries.
    private TelemetryProperties? _waiting;
    private bool _waitingIsStored;
    private bool _waitingIsAllowed;
    private volatile TelemetrySender? _sender; // Made with the first message.
    private volatile AccessGrant _grant;
    private SessionMethods? _methods;
    private AccessWatch? _watch;
    private PresenceEntry? _presence;
    private int _isEnded;

    internal DeviceSession(
        DeviceSessions home, TelemetryPipeline telemetry, FaultInjection faults, HeartbeatIntake heartbeats, SessionLimits limits, in SessionRequest request, SessionName name,
        bool holdsPlace)
    {
        _home = home;
        _telemetry = telemetry;
        _faults = faults;
        _channel = request.Channel;
        Id = request.Grant.Identity ?? throw new ArgumentException("A session needs a grant of an identity.", nameof(request));
        Protocol = request.Protocol;
        ModelId = request.ModelId;
        _grant = request.Grant;
        Name = name;
        HoldsPlace = holdsPlace;
        _heartbeats = heartbeats;
        _life = heartbeats.MarkOf(Id);
        _life.Heard(HeardBits.Other);
        _limits = limits.Devices;
        _allowance = _limits.AllowanceOf(Id);
        _hubMeter = limits.Hub;
        _meter = limits.MeterOf(Id);
    }

    /// <summary>Who is connected.</summary>
    public IdentityId Id { get; }

    /// <summary>This session's name across nodes.</summary>
    public SessionName Name { get; }

    /// <summary>By which protocol.</summary>
    public DeviceProtocol Protocol { get; }

    /// <summary>The DTDL model that the device announced, or null.</summary>
    public string? ModelId { get; }

    /// <summary>False for an HTTP request, which never takes the connection's place.</summary>
    public bool HoldsPlace { get; }

    /// <summary>When it was open, a timestamp; and how long that took.</summary>
    public long OpenedAt { get; private set; }

    /// <summary>From the request for the place until it was this session's.</summary>
    public TimeSpan OpeningTook { get; private set; }

    /// <inheritdoc/>
    public AccessGrant Grant => _grant;

    private TelemetrySender Sender => _sender ?? MakeSender();

    /// <summary>
    /// Takes a telemetry message into the open batch of the log. Copies the body; never waits. The caller acknowledges
    /// when the position is committed, which <paramref name="waiter"/> hears, and waits with
    /// <see cref="WaitForRoomAsync"/> when told to.
    /// </summary>
    public TelemetryResult TrySendTelemetry(TelemetryProperties properties, in ReadOnlySequence<byte> body, ICommitWaiter? waiter)
    {
        _presence?.Heard();

        // One that waited is counted once, however often it is tried.
        var isRetry = _waiting is not null && ReferenceEquals(_waiting, properties);
        var isStored = isRetry ? _waitingIsStored : Hear(properties, body.IsEmpty);

        if (isStored && _faults.IsOn && TryInject(properties, body) is { } injected)
        {
            return injected;
        }

        // The device's own limit costs a decrement; the hub's, where none is configured, this comparison with null.
        var isAllowed = (isRetry && _waitingIsAllowed) || _allowance.TryTake();
        var result = !isAllowed ? Waiting
            : _meter is not null ? TrySendMetered(_meter, properties, body, waiter, isStored)
            : isStored ? _telemetry.TryAppend(Sender, properties, body, waiter)
            : Unstored;
        if (result.Outcome is AppendOutcome.Full)
        {
            (_waiting, _waitingIsStored, _waitingIsAllowed) = (properties, isStored, isAllowed);
        }
        else if (_waiting is not null)
        {
            _waiting = null;
        }

        if (result.Failure is { } failure)
        {
            RefusedTelemetry(failure, body.Length + properties.CountedBytes);
        }

        return result;
    }

    // False where the heartbeat monitor has taken it and that is all.
    private bool Hear(TelemetryProperties properties, bool isEmpty)
    {
        if (properties.Heartbeat is { } signal)
        {
            return !_heartbeats.Take(Id, _life, signal, isEmpty);
        }

        _life.Heard(HeardBits.Telemetry); // A message that is refused proves life, too.
        return true;
    }

    /// <summary>A message of the device was refused, for the operator's eyes; heads tell of those that never got to be one.</summary>
    public void RefusedTelemetry(HubFailure failure, long? bytes = null, bool isBatch = false) => _home.TellRefused(this, failure, bytes, isBatch);

    /// <summary>
    /// Asks for all messages of a transfer at once, before the first of them is sent: so that none is stored of one that is
    /// refused. Null when they may be sent; asked again for the same transfer, the answer stands.
    /// </summary>
    public HubFailure? TryAdmit(IReadOnlyList<TelemetryItem> transfer)
    {
        var failure = _meter?.TryAdmit(transfer);
        if (failure is not null)
        {
            RefusedTelemetry(failure, SizeOf(transfer), transfer.Count > 1);
        }

        return failure;
    }

    /// <summary>Sends messages and completes when all are durable, with null, or with why they are not.</summary>
    public async ValueTask<HubFailure?> SendTelemetryAsync(IReadOnlyList<TelemetryItem> items, CancellationToken stopping)
    {
        var failure = await SendAsync(items, stopping);
        if (failure is not null)
        {
            RefusedTelemetry(failure, SizeOf(items), items.Count > 1);
        }

        return failure;
    }

    private ValueTask<HubFailure?> SendAsync(IReadOnlyList<TelemetryItem> items, CancellationToken stopping)
    {
        if (_faults.IsOn)
        {
            var plain = new List<TelemetryItem>(items.Count);
            foreach (var item in items)
            {
                if (item.Properties.Fault is { } fault)
                {
                    // The reply to the request shows the fault already (spec/sdk-gotchas.md 6 rule 2).
                    _faults.Take(Id, _channel, fault, MarkOf(item.Properties, item.Body), isImmediate: fault.IsRefusal);
                }
                else
                {
                    plain.Add(item);
                }
            }

            if (_faults.FindRefusal(Id) is { } refusal)
            {
                return new(refusal);
            }

            items = plain;
        }

        List<TelemetryItem>? toStore = null;
        for (var i = 0; i < items.Count; i++)
        {
            if (items[i].Properties.Heartbeat is not { } signal)
            {
                _life.Heard(HeardBits.Telemetry);
            }
            else if (_heartbeats.Take(Id, _life, signal, items[i].Body.IsEmpty))
            {
                toStore ??= [.. items.Take(i)];
                continue;
            }

            toStore?.Add(items[i]);
        }

        var stored = toStore ?? items;
        return items.Count == 0 ? default
            : _limits.TrySend(Id, items.Count) is { } refused ? new(refused)
            : _meter is not null ? SendMeteredAsync(_meter, items, stored, stopping)
            : StoreAsync(stored, stopping);
    }

    /// <summary>
    /// Takes the message that a device left for the case that its connection breaks: telemetry, but no sign of its life.
    /// </summary>
    public TelemetryResult TrySendWill(TelemetryProperties properties, in ReadOnlySequence<byte> body)
    {
        var result = _telemetry.TryAppend(Sender, properties, body, waiter: null);
        if (result.Outcome is AppendOutcome.Taken)
        {
            _hubMeter.Charge(Metered.TelemetrySends, body.Length + properties.CountedBytes); // The hub said it for the device: never refused.
        }

        return result;
    }

    /// <summary>The device shows that it lives, without a message: a ping.</summary>
    public void Pinged() => _life.Heard(HeardBits.Other);

    /// <summary>Whether the last message was not taken for what this device has sent: others are not held up by it.</summary>
    public bool IsHeldBack => _allowance.IsUsedUp || _meter is { IsWaiting: true };

    /// <summary>Completes when a message that met a full batch may be tried again.</summary>
    public ValueTask WaitForRoomAsync(CancellationToken stopping) =>
        _faults.IsOn && _faults.FindRefusal(Id) is not null ? _faults.WaitForEndAsync(Id, stopping)
        : _allowance.IsUsedUp ? new ValueTask(_allowance.WaitAsync(stopping))
        : _meter is { IsWaiting: true } ? _meter.WaitAsync(stopping)
        : _telemetry.WaitForRoomAsync(stopping);

    /// <summary>Replaces the grant after the device renewed its token in place (AMQP).</summary>
    public void Renew(AccessGrant grant)
    {
        _grant = grant;
        _sender = null; // After the grant: who makes one of the old grant meanwhile looks again.
        _watch?.Renewed();
    }

    /// <summary>Lets commands flow to this device's channel, up to the grant's limit; the head raises it as the device takes them.</summary>
    public ValueTask GrantCommandsAsync(CommandGrant grant)
    {
        _presence?.Heard();
        _life.Heard(HeardBits.Other);
        return HoldsPlace ? _home.ActorOf(this).GrantCommandsAsync(Name, grant) : ValueTask.CompletedTask; // The actor feeds who has the place.
    }

    /// <summary>The device takes no more commands here; what it had not settled goes back to the queue.</summary>
    public ValueTask StopCommandsAsync() =>
        HoldsPlace ? _home.ActorOf(this).StopCommandsAsync(Name) : ValueTask.CompletedTask;

    /// <summary>Locks and returns the oldest command, for an HTTP request; null when nothing is visible.</summary>
    public ValueTask<CommandDelivery?> ReceiveCommandAsync(TimeSpan lockDuration) => _home.ActorOf(this).ReceiveCommandAsync(lockDuration);

    /// <summary>What the device did with a command; durable when completed with null.</summary>
    public ValueTask<HubFailure?> SettleCommandAsync(Guid lockToken, Settlement settlement) =>
        _home.ActorOf(this).SettleCommandAsync(lockToken, settlement);

    /// <summary>
    /// The twin as the device sees it; null when the identity is gone. Read beside the actor: a head that has meanwhile told
    /// of a desired change with a higher version than <see cref="DeviceTwin.DesiredVersion"/> reads again before it answers,
    /// so that what the device hears never goes back.
    /// </summary>
    /// <remarks>HTTP knows no twins (spec/device-http.md): a session without a place has none.</remarks>
    public async Task<DeviceTwin?> GetTwinAsync(CancellationToken stopping)
    {
        var twin = HoldsPlace ? await _home.Twins.FindForDeviceAsync(Id, Grant.GenerationId, stopping) : null;
        if (twin is not null)
        {
            _hubMeter.Charge(Metered.TwinReads, twin.Json.Length);
        }

        return twin;
    }

    /// <summary>Completes when it is the turn of an operation of the device's, with null, or with why not.</summary>
    /// <param name="operation">What.</param>
    /// <param name="stopping">The device waits no longer.</param>
    /// <param name="waited">
    /// How long it has waited behind others of the device's own: no request waits longer than one limit's delay, however many
    /// were before it (spec/sdk-gotchas.md, checklist row 5).
    /// </param>
    public ValueTask<HubFailure?> PassAsync(Metered operation, CancellationToken stopping, TimeSpan waited = default) =>
        _hubMeter.PassAsync(operation, Id, stopping, waited: waited, keepsTurn: HoldsPlace); // A connection's requests are done to their end.

    /// <summary>Merges a patch into the reported properties; durable when completed without a failure.</summary>
    /// <param name="patch">As the device sent it, at most <see cref="HubLimits.MaxTwinPatchBytes"/>.</param>
    /// <param name="expectedVersion">What the reported <c>$version</c> must be, where the device names one.</param>
    public ValueTask<ReportedOutcome> PatchReportedAsync(byte[] patch, long? expectedVersion = null)
    {
        if (patch.Length > HubLimits.MaxTwinPatchBytes)
        {
            return new(HubFailures.MessageTooLarge);
        }

        if (!_home.Twins.ReadPatch(Grant.GenerationId, patch, expectedVersion).TryGet(out var read, out var failure))
        {
            return new(failure);
        }

        _hubMeter.Charge(Metered.TwinUpdates, patch.Length);
        return HoldsPlace ? _home.ActorOf(this).PatchReportedAsync(read) : new(HubFailures.DeviceNotFound);
    }

    /// <summary>From now on the channel is told of every desired change, in order; when completed, none is missed.</summary>
    public ValueTask WatchDesiredAsync() => HoldsPlace ? _home.ActorOf(this).WatchDesiredAsync(Name) : ValueTask.CompletedTask;

    /// <summary>The channel is told no more of desired changes.</summary>
    public ValueTask UnwatchDesiredAsync() => HoldsPlace ? _home.ActorOf(this).UnwatchDesiredAsync(Name) : ValueTask.CompletedTask;

    /// <summary>The device takes direct methods here from now on, or no longer. One call at a time.</summary>
    public ValueTask WatchMethodsAsync(bool isOn)
    {
        if (!HoldsPlace)
        {
            return ValueTask.CompletedTask;
        }

        _methods ??= new SessionMethods();
        return _home.ActorOf(this).WatchMethodsAsync(Name, isOn);
    }

    /// <summary>What the device answered. An id that it was not given in this session, or has answered, means nothing.</summary>
    /// <param name="requestId">Of the <see cref="MethodInvocation"/>.</param>
    /// <param name="status">The device's own number.</param>
    /// <param name="payload">Owned by the hub from here on; not checked.</param>
    public void AnswerMethod(Guid requestId, int status, ReadOnlyMemory<byte> payload) =>
        CompleteMethod(requestId, new MethodOutcome(MethodOutcomeKind.Answered, status, payload));

    /// <summary>Whether somebody still waits for the answer: what a head has kept back needs not be sent otherwise.</summary>
    public bool IsMethodPending(Guid requestId) => _methods?.Has(requestId) is true;

    /// <summary>The head could not send it to the device.</summary>
    public void RefuseMethod(Guid requestId) => CompleteMethod(requestId, new MethodOutcome(MethodOutcomeKind.NotTaken));

    /// <summary>A direct method on its way to the device.</summary>
    internal void InvokeMethod(MethodInvocation invocation)
    {
        if (_methods?.TryAdd(invocation) is true)
        {
            _channel.InvokeMethod(invocation);
        }
        else
        {
            _home.Methods.Complete(invocation.Node, invocation.RequestId, Name, new MethodOutcome(MethodOutcomeKind.NeverAsked));
        }
    }

    /// <summary>Nobody waits for the answer any more.</summary>
    internal void ForgetMethod(Guid requestId) => _methods?.TryTake(requestId, out _);

    /// <summary>A desired change on its way to the device.</summary>
    internal void DesiredChanged(DesiredChange change) => _channel.DesiredChanged(change);

    /// <summary>A command on its way to the device.</summary>
    internal void Deliver(CommandDelivery delivery) => _channel.Deliver(delivery);

    /// <inheritdoc/>
    public void Revoke(CloseReason reason) => _channel.Close(reason);

    /// <summary>Another session has the place: close without giving it back.</summary>
    internal void TakenOver() => _channel.Close(CloseReason.TakenOver);

    private TelemetryResult TrySendMetered(
        SendMeter meter, TelemetryProperties properties, in ReadOnlySequence<byte> body, ICommitWaiter? waiter, bool isStored)
    {
        if (meter.TryAdmit(body.Length + properties.CountedBytes) is { } failure)
        {
            return new TelemetryResult(AppendOutcome.Refused, default, failure);
        }

        if (meter.IsWaiting)
        {
            return Waiting;
        }

        var result = isStored ? _telemetry.TryAppend(Sender, properties, body, waiter) : Unstored;
        if (result.Outcome is not AppendOutcome.Full)
        {
            meter.Sent();
        }

        return result;
    }

    private TelemetrySender MakeSender()
    {
        while (true)
        {
            var grant = _grant;
            var sender = _telemetry.CreateSender(grant, ModelId);
            _sender = sender;
            if (ReferenceEquals(grant, _grant))
            {
                return sender;
            }
        }
    }

    private ValueTask<HubFailure?> StoreAsync(IReadOnlyList<TelemetryItem> items, CancellationToken stopping) =>
        items.Count == 0 ? default : _telemetry.SendAsync(Sender, items, stopping);

    private async ValueTask<HubFailure?> SendMeteredAsync(
        SendMeter meter, IReadOnlyList<TelemetryItem> items, IReadOnlyList<TelemetryItem> stored, CancellationToken stopping) =>
        await meter.PassAsync(items, stopping) ?? await StoreAsync(stored, stopping);

    // Null where the message is plain telemetry and nothing stands in its way.
    private TelemetryResult? TryInject(TelemetryProperties properties, in ReadOnlySequence<byte> body)
    {
        var isMqtt = Protocol is DeviceProtocol.Mqtt or DeviceProtocol.MqttWs;
        if (properties.Fault is { } fault)
        {
            // MQTT can say no but by closing: there only throttling can be shown, by waiting (spec/sdk-gotchas.md 6).
            if (!isMqtt || fault.Kind is not (FaultKind.InvokeMaxMessageQuota or FaultKind.InvokeAuthError))
            {
                _faults.Take(Id, _channel, fault, MarkOf(properties, body));
            }

            return Unstored;
        }

        return _faults.FindRefusal(Id) is not { } refusal ? null
            : isMqtt ? Waiting
            : new TelemetryResult(AppendOutcome.Refused, default, refusal);
    }

    // What a message has in common with itself when it is sent again.
    private static ReadOnlySpan<byte> MarkOf(TelemetryProperties properties, in ReadOnlySequence<byte> body) =>
        properties.Properties.MessageId is { } messageId ? Encoding.UTF8.GetBytes(messageId) : [.. properties.Encoded.Span, .. body.ToArray()];

    private static long SizeOf(IReadOnlyList<TelemetryItem> items) => items.Sum(item => item.Body.Length + item.Properties.CountedBytes);

    internal void IsOpen(long asked, long opened, TimeProvider time)
    {
        OpenedAt = opened;
        OpeningTook = time.GetElapsedTime(asked, opened);
    }

    internal void HeardBy(PresenceEntry presence) => _presence = presence;

    internal void WatchedBy(AccessWatch watch) => _watch = watch;

    /// <summary>The connection is over. Gives the place back if this session still has it. Idempotent.</summary>
    public async ValueTask EndAsync(CloseReason reason)
    {
        if (Interlocked.Exchange(ref _isEnded, 1) == 0)
        {
            _watch?.Dispose();
            LoseMethods();
            await _home.EndedAsync(this, reason);
        }
    }

    private void CompleteMethod(Guid requestId, MethodOutcome outcome)
    {
        if (_methods is { } methods && methods.TryTake(requestId, out var node))
        {
            _home.Methods.Complete(node, requestId, Name, outcome);
        }
    }

    // spec/device-mqtt.md 9: a call that was under way is not sent again to the next connection.
    private void LoseMethods()
    {
        foreach (var (requestId, node) in _methods?.End() ?? [])
        {
            _home.Methods.Complete(node, requestId, Name, new MethodOutcome(MethodOutcomeKind.Lost));
        }
    }
}

/// <summary>What a head asks for when a device has been admitted.</summary>
/// <param name="Grant">What <see cref="AccessControl.AdmitDeviceAsync"/> gave.</param>
/// <param name="Protocol">The head's protocol.</param>
/// <param name="Channel">The way back.</param>
/// <param name="ModelId">From the MQTT user name; null elsewhere.</param>
internal readonly record struct SessionRequest(AccessGrant Grant, DeviceProtocol Protocol, IDeviceChannel Channel, string? ModelId = null);

/// <summary>How a device is connected.</summary>
internal enum DeviceProtocol
{
    Mqtt,
    MqttWs,
    Amqp,
    AmqpWs,
    Https,
}
