using Nave.Hub.Commands;
using Nave.Hub.Methods;
using Nave.Hub.Twins;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Devices;

/// <summary>
/// The home of actors when the hub is one process: a sharded dictionary of actors, each with a gate that lets in one call
/// at a time. An actor that is idle when its last caller leaves is dropped; the next call makes it anew from SQL.
/// </summary>
/// <param name="wake">Makes an actor.</param>
internal sealed class InProcessDeviceDirectory(Func<IdentityId, DeviceActor> wake) : IDeviceDirectory
{
    // Far more shards than cores: two devices seldom meet on one lock, which is held for look-ups only.
    private const int ShardCount = 256;

    private readonly Dictionary<IdentityId, Home>[] _shards =
        [.. Enumerable.Range(0, ShardCount).Select(_ => new Dictionary<IdentityId, Home>())];

    /// <inheritdoc/>
    public IDeviceActor Of(IdentityId id) => new Door(this, id);

    /// <summary>Actors awake now, for metrics and tests.</summary>
    public int CountAwake() => _shards.Sum(shard =>
    {
        lock (shard)
        {
            return shard.Count;
        }
    });

    private async ValueTask<T> CallAsync<TArgument, T>(
        IdentityId id, TArgument argument, Func<DeviceActor, TArgument, ValueTask<T>> call)
    {
        var shard = _shards[(uint)id.GetHashCode() % ShardCount];
        TaskCompletionSource? turn = null;
        Home? home;
        lock (shard)
        {
            if (!shard.TryGetValue(id, out home))
            {
                shard[id] = home = new Home(wake(id));
            }

            if (home.IsBusy)
            {
                turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                (home.Waiting ??= new Queue<TaskCompletionSource>()).Enqueue(turn);
            }

            home.IsBusy = true;
        }

        if (turn is not null)
        {
            await turn.Task;
        }

        try
        {
            return await call(home.Actor, argument);
        }
        finally
        {
            Leave(shard, id, home);
        }
    }

    private static void Leave(Dictionary<IdentityId, Home> shard, IdentityId id, Home home)
    {
        // The look at the actor comes before the turn ends: nobody changes it in between.
        var isIdle = home.Actor.IsIdle;
        TaskCompletionSource? next = null;
        lock (shard)
        {
            if (home.Waiting is { } waiting)
            {
                next = waiting.Dequeue(); // The turn is handed on: nobody gets in between.
                home.Waiting = waiting.Count > 0 ? waiting : null;
            }
            else if (isIdle)
            {
                shard.Remove(id);
            }
            else
            {
                home.IsBusy = false;
            }
        }

        next?.SetResult();
    }

    /// <summary>An actor and its gate, which is the shard's lock but for the time of a turn.</summary>
    private sealed class Home(DeviceActor actor)
    {
        public DeviceActor Actor { get; } = actor;

        /// <summary>Whether a call is inside; changed under the shard's lock, like <see cref="Waiting"/>.</summary>
        public bool IsBusy { get; set; }

        /// <summary>Calls that wait for their turn, in order; null when there are none.</summary>
        public Queue<TaskCompletionSource>? Waiting { get; set; }
    }

    /// <summary>An actor as callers see it: every call goes through the gate.</summary>
    private sealed class Door(InProcessDeviceDirectory directory, IdentityId id) : IDeviceActor
    {
        public ValueTask<TakeoverResult> ConnectAsync(Guid node, long session, long epochFloor) =>
            directory.CallAsync(id, (node, session, epochFloor), static (actor, a) => actor.ConnectAsync(a.node, a.session, a.epochFloor));

        public ValueTask<bool> DisconnectAsync(SessionName session) =>
            directory.CallAsync(id, session, static (actor, a) => actor.DisconnectAsync(a));

        public ValueTask<SessionName?> FindConnectedAsync() =>
            directory.CallAsync(id, 0, static (actor, _) => actor.FindConnectedAsync());

        public ValueTask<HubFailure?> EnqueueCommandAsync(CloudToDeviceMessage message) =>
            directory.CallAsync(id, message, static (actor, a) => actor.EnqueueCommandAsync(a));

        public async ValueTask GrantCommandsAsync(SessionName session, CommandGrant grant) =>
            await directory.CallAsync(id, (session, grant), static (actor, a) => CompletedAsync(actor.GrantCommandsAsync(a.session, a.grant)));

        public async ValueTask StopCommandsAsync(SessionName session) =>
            await directory.CallAsync(id, session, static (actor, a) => CompletedAsync(actor.StopCommandsAsync(a)));

        public ValueTask<CommandDelivery?> ReceiveCommandAsync(TimeSpan lockDuration) =>
            directory.CallAsync(id, lockDuration, static (actor, a) => actor.ReceiveCommandAsync(a));

        public ValueTask<HubFailure?> SettleCommandAsync(Guid lockToken, Settlement settlement) =>
            directory.CallAsync(id, (lockToken, settlement), static (actor, a) => actor.SettleCommandAsync(a.lockToken, a.settlement));

        public ValueTask<int> PurgeCommandsAsync() =>
            directory.CallAsync(id, 0, static (actor, _) => actor.PurgeCommandsAsync());

        public async ValueTask SweepCommandsAsync() =>
            await directory.CallAsync(id, 0, static (actor, _) => CompletedAsync(actor.SweepCommandsAsync()));

        public ValueTask<ReportedOutcome> PatchReportedAsync(ReportedPatch patch) =>
            directory.CallAsync(id, patch, static (actor, a) => actor.PatchReportedAsync(a));

        public ValueTask<Outcome<TwinChanged>> ChangeTwinAsync(TwinUpdate update, ETagCondition condition) =>
            directory.CallAsync(id, (update, condition), static (actor, a) => actor.ChangeTwinAsync(a.update, a.condition));

        public async ValueTask WatchDesiredAsync(SessionName session) =>
            await directory.CallAsync(id, session, static (actor, a) => CompletedAsync(actor.WatchDesiredAsync(a)));

        public async ValueTask UnwatchDesiredAsync(SessionName session) =>
            await directory.CallAsync(id, session, static (actor, a) => CompletedAsync(actor.UnwatchDesiredAsync(a)));

        public async ValueTask WatchMethodsAsync(SessionName session, bool isOn) =>
            await directory.CallAsync(id, (session, isOn), static (actor, a) => CompletedAsync(actor.WatchMethodsAsync(a.session, a.isOn)));

        public ValueTask<SessionName?> FindMethodSessionAsync(MethodWaiter? waiter, SessionName? gone) =>
            directory.CallAsync(id, (waiter, gone), static (actor, a) => actor.FindMethodSessionAsync(a.waiter, a.gone));

        public async ValueTask StopWaitingForMethodsAsync(MethodWaiter waiter) =>
            await directory.CallAsync(id, waiter, static (actor, a) => CompletedAsync(actor.StopWaitingForMethodsAsync(a)));

        private static async ValueTask<bool> CompletedAsync(ValueTask call)
        {
            await call;
            return true;
        }
    }
}
