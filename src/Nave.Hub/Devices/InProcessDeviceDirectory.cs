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
        Home? home;
        lock (shard)
        {
            if (!shard.TryGetValue(id, out home))
            {
                shard[id] = home = new Home(wake(id));
            }

            home.Callers++;
        }

        await home.Gate.WaitAsync();
        try
        {
            return await call(home.Actor, argument);
        }
        finally
        {
            // The look at the actor comes before the gate opens: nobody changes it in between.
            var isIdle = home.Actor.IsIdle;
            home.Gate.Release();
            lock (shard)
            {
                home.Callers--;
                if (home.Callers == 0 && isIdle)
                {
                    shard.Remove(id);
                }
            }
        }
    }

    private sealed class Home(DeviceActor actor)
    {
        public DeviceActor Actor { get; } = actor;

        public SemaphoreSlim Gate { get; } = new(1, 1);

        /// <summary>Calls inside or waiting; changed under the shard's lock.</summary>
        public int Callers { get; set; }
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
