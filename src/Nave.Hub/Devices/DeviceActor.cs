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
internal sealed class DeviceActor(IdentityId id, CommandBox commands, TwinBox twin, MethodWatch methods) : IDeviceActor
{
    private SessionName? _connected;
    private long _epoch;

    /// <summary>Whom this is.</summary>
    public IdentityId Id { get; } = id;

    /// <summary>Whether nothing but a cache would be lost if this actor were dropped.</summary>
    public bool IsIdle => _connected is null && commands.IsIdle && twin.IsIdle && methods.IsIdle;

    /// <inheritdoc/>
    public ValueTask<TakeoverResult> ConnectAsync(Guid node, long session, long epochFloor)
    {
        var previous = _connected;
        _epoch = Math.Max(_epoch, epochFloor) + 1;
        _connected = new SessionName(node, session, _epoch);
        if (previous is { } loser)
        {
            commands.SessionEnded(loser);
            twin.SessionEnded(loser);
            methods.End(loser);
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
        commands.SessionEnded(session);
        twin.SessionEnded(session);
        methods.End(session);
        return ValueTask.FromResult(true);
    }

    /// <inheritdoc/>
    public ValueTask<SessionName?> FindConnectedAsync() => ValueTask.FromResult(_connected);

    /// <inheritdoc/>
    public ValueTask<HubFailure?> EnqueueCommandAsync(CloudToDeviceMessage message) => commands.EnqueueAsync(message);

    /// <inheritdoc/>
    public ValueTask GrantCommandsAsync(SessionName session, CommandGrant grant) =>
        _connected == session ? commands.GrantAsync(session, grant) : ValueTask.CompletedTask;

    /// <inheritdoc/>
    public ValueTask StopCommandsAsync(SessionName session)
    {
        commands.SessionEnded(session);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask<CommandDelivery?> ReceiveCommandAsync(TimeSpan lockDuration) => commands.ReceiveAsync(lockDuration);

    /// <inheritdoc/>
    public ValueTask<HubFailure?> SettleCommandAsync(Guid lockToken, Settlement settlement) =>
        commands.SettleAsync(lockToken, settlement);

    /// <inheritdoc/>
    public ValueTask<int> PurgeCommandsAsync() => commands.PurgeAsync();

    /// <inheritdoc/>
    public ValueTask SweepCommandsAsync() => commands.SweepAsync();

    /// <inheritdoc/>
    public ValueTask<ReportedOutcome> PatchReportedAsync(ReportedPatch patch) => twin.PatchReportedAsync(patch);

    /// <inheritdoc/>
    public ValueTask<Outcome<TwinChanged>> ChangeTwinAsync(TwinUpdate update, ETagCondition condition) =>
        twin.ChangeAsync(update, condition);

    /// <inheritdoc/>
    public ValueTask WatchDesiredAsync(SessionName session)
    {
        // A session that has lost the place is on its way out: it must not take the feed from the one that has it.
        if (_connected == session)
        {
            twin.Watch(session);
        }

        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask UnwatchDesiredAsync(SessionName session)
    {
        twin.SessionEnded(session);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask WatchMethodsAsync(SessionName session, bool isOn)
    {
        if (!isOn)
        {
            methods.End(session);
        }
        else if (_connected == session)
        {
            methods.Begin(session);
        }

        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask<SessionName?> FindMethodSessionAsync(MethodWaiter? waiter, SessionName? gone) =>
        ValueTask.FromResult(methods.Find(waiter, gone));

    /// <inheritdoc/>
    public ValueTask StopWaitingForMethodsAsync(MethodWaiter waiter)
    {
        methods.StopWaiting(waiter);
        return ValueTask.CompletedTask;
    }
}
