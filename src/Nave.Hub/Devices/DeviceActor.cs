using Nave.Hub.Commands;
using Nave.Hub.Methods;
using Nave.Hub.Twins;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Devices;

/// <summary>
/// One identity that is connected or being addressed. Owns the connection's place, the command box, the twin's
/// write order and who takes direct methods; its home sees to it that one call runs at a time. Knows nothing of where it lives: sessions are named, not referenced.
/// </summary>
/// <param name="id">Whom this is.</param>
/// <param name="parts">Makes what an actor needs when it is first used: a device that is only connected needs none of it.</param>
internal sealed class DeviceActor(IdentityId id, ActorParts parts) : IDeviceActor
{
    private CommandBox? _commands;
    private TwinBox? _twin;
    private MethodWatch? _methods;
    private SessionName? _connected;
    private long _epoch;

    /// <summary>Whom this is.</summary>
    public IdentityId Id { get; } = id;

    /// <summary>Whether nothing but a cache would be lost if this actor were dropped.</summary>
    public bool IsIdle =>
        _connected is null && _commands is not { IsIdle: false } && _twin is not { IsIdle: false } && _methods is not { IsIdle: false };

    private CommandBox Commands => _commands ??= parts.Commands(Id);

    private TwinBox Twin => _twin ??= parts.Twin(Id);

    private MethodWatch Methods => _methods ??= parts.Methods();

    /// <inheritdoc/>
    public ValueTask<TakeoverResult> ConnectAsync(Guid node, long session, long epochFloor)
    {
        var previous = _connected;
        _epoch = Math.Max(_epoch, epochFloor) + 1;
        _connected = new SessionName(node, session, _epoch);
        if (previous is { } loser)
        {
            SessionEnded(loser);
        }

        return ValueTask.FromResult(new TakeoverResult(_connected.Value, previous));
    }

    /// <inheritdoc/>
    public ValueTask<bool> DisconnectAsync(SessionName session)
    {
        if (_connected != session)
        {
            return ValueTask.FromResult(false);
        }

        _connected = null;
        SessionEnded(session);
        return ValueTask.FromResult(true);
    }

    /// <inheritdoc/>
    public ValueTask<SessionName?> FindConnectedAsync() => ValueTask.FromResult(_connected);

    /// <inheritdoc/>
    public ValueTask<HubFailure?> EnqueueCommandAsync(CloudToDeviceMessage message) => Commands.EnqueueAsync(message);

    /// <inheritdoc/>
    public ValueTask GrantCommandsAsync(SessionName session, CommandGrant grant) =>
        _connected == session ? Commands.GrantAsync(session, grant) : ValueTask.CompletedTask;

    /// <inheritdoc/>
    public ValueTask StopCommandsAsync(SessionName session)
    {
        _commands?.SessionEnded(session);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask<CommandDelivery?> ReceiveCommandAsync(TimeSpan lockDuration) => Commands.ReceiveAsync(lockDuration);

    /// <inheritdoc/>
    public ValueTask<HubFailure?> SettleCommandAsync(Guid lockToken, Settlement settlement) =>
        Commands.SettleAsync(lockToken, settlement);

    /// <inheritdoc/>
    public ValueTask<int> PurgeCommandsAsync() => Commands.PurgeAsync();

    /// <inheritdoc/>
    public ValueTask SweepCommandsAsync() => Commands.SweepAsync();

    /// <inheritdoc/>
    public ValueTask<ReportedOutcome> PatchReportedAsync(ReportedPatch patch) => Twin.PatchReportedAsync(patch);

    /// <inheritdoc/>
    public ValueTask<Outcome<TwinChanged>> ChangeTwinAsync(TwinUpdate update, ETagCondition condition) =>
        Twin.ChangeAsync(update, condition);

    /// <inheritdoc/>
    public ValueTask WatchDesiredAsync(SessionName session)
    {
        // A session that has lost the place is on its way out: it must not take the feed from the one that has it.
        if (_connected == session)
        {
            Twin.Watch(session);
        }

        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask UnwatchDesiredAsync(SessionName session)
    {
        _twin?.SessionEnded(session);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask WatchMethodsAsync(SessionName session, bool isOn)
    {
        if (!isOn)
        {
            _methods?.End(session);
        }
        else if (_connected == session)
        {
            Methods.Begin(session);
        }

        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask<SessionName?> FindMethodSessionAsync(MethodWaiter? waiter, SessionName? gone) =>
        ValueTask.FromResult(Methods.Find(waiter, gone));

    /// <inheritdoc/>
    public ValueTask StopWaitingForMethodsAsync(MethodWaiter waiter)
    {
        _methods?.StopWaiting(waiter);
        return ValueTask.CompletedTask;
    }

    private void SessionEnded(SessionName session)
    {
        _commands?.SessionEnded(session);
        _twin?.SessionEnded(session);
        _methods?.End(session);
    }
}

/// <summary>Makes the parts of an actor. One instance serves all.</summary>
/// <param name="Commands">Its commands.</param>
/// <param name="Twin">Its twin.</param>
/// <param name="Methods">Who takes its direct methods.</param>
internal sealed record ActorParts(Func<IdentityId, CommandBox> Commands, Func<IdentityId, TwinBox> Twin, Func<MethodWatch> Methods);
