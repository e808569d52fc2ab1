using Nave.Hub.Commands;
using Nave.Hub.Methods;
using Nave.Hub.Twins;
using Nave.Protocol.Errors;

namespace Nave.Hub.Devices;

/// <summary>
/// What can be asked of an identity's actor, wherever it lives. One call at a time; arguments and results are values that
/// can cross to another node; no call waits longer than a commit.
/// </summary>
internal interface IDeviceActor
{
    /// <summary>Takes the connection's place for a session of a node: newest wins (spec/device-mqtt.md 2.5).</summary>
    ValueTask<TakeoverResult> ConnectAsync(Guid node, long session, long epochFloor);

    /// <summary>Gives the place back; false when the session no longer had it. Its locks are released without counting.</summary>
    ValueTask<bool> DisconnectAsync(SessionName session);

    /// <summary>The session that has the place, or null.</summary>
    ValueTask<SessionName?> FindConnectedAsync();

    /// <summary>Queues a command; durable when completed with null.</summary>
    ValueTask<HubFailure?> EnqueueCommandAsync(CloudToDeviceMessage message);

    /// <summary>Lets commands flow to the session, up to a total that the head raises as the device takes them.</summary>
    ValueTask GrantCommandsAsync(SessionName session, CommandGrant grant);

    /// <summary>The session takes no more commands (unsubscribed, link lost): its locks are released.</summary>
    ValueTask StopCommandsAsync(SessionName session);

    /// <summary>Locks and hands out the oldest command, for an HTTP request; null when nothing is visible.</summary>
    ValueTask<CommandDelivery?> ReceiveCommandAsync(TimeSpan lockDuration);

    /// <summary>Ends or returns a received command; durable when completed with null, <see cref="HubFailures.LockLost"/> otherwise.</summary>
    ValueTask<HubFailure?> SettleCommandAsync(Guid lockToken, Settlement settlement);

    /// <summary>Empties the queue.</summary>
    /// <returns>How many messages went.</returns>
    ValueTask<int> PurgeCommandsAsync();

    /// <summary>Releases locks and dead-letters messages whose time is over.</summary>
    ValueTask SweepCommandsAsync();

    /// <summary>Merges a device's patch into its reported properties; durable when completed without a failure.</summary>
    ValueTask<ReportedOutcome> PatchReportedAsync(ReportedPatch patch);

    /// <summary>
    /// Applies a back end's change of tags and desired properties, and tells the watching session of it. The way for
    /// everybody who changes twins (REST, bulk, jobs, configurations): calls for many devices share commits by themselves.
    /// </summary>
    /// <returns>With <see cref="TwinChanged.Document"/>.</returns>
    ValueTask<Outcome<TwinChanged>> ChangeTwinAsync(TwinUpdate update, ETagCondition condition);

    /// <summary>From now on the session is told of every desired change, in order; when completed, none is missed.</summary>
    ValueTask WatchDesiredAsync(SessionName session);

    /// <summary>The session wants to hear no more of desired changes.</summary>
    ValueTask UnwatchDesiredAsync(SessionName session);

    /// <summary>The session takes direct methods from now on, or no longer. Who waits for it is told through <see cref="IMethodRoute"/>.</summary>
    ValueTask WatchMethodsAsync(SessionName session, bool isOn);

    /// <summary>The session that takes direct methods, if it is not the one found gone; else null, and the waiter is told of the next.</summary>
    ValueTask<SessionName?> FindMethodSessionAsync(MethodWaiter? waiter, SessionName? gone);

    /// <summary>Takes a waiter out; one that was told is out already.</summary>
    ValueTask StopWaitingForMethodsAsync(MethodWaiter waiter);
}

/// <summary>The outcome of a connect.</summary>
internal readonly record struct TakeoverResult(SessionName Current, SessionName? Previous);
