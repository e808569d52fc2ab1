using Nave.Hub.Events;
using Nave.Hub.Twins;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;
using Nave.Storage;

namespace Nave.Hub.Devices;

/// <summary>
/// The identity registry: reads, rules of creation and change, and the feed of changes that cuts live connections.
/// SQL is the truth; nothing is cached here, but how often an identity has changed is counted. Each change is one unit of writes: what it is judged by cannot change before
/// it commits on this node, and a change from another node makes the conditional write miss and start over once.
/// </summary>
internal sealed class DeviceRegistry(HubDatabase database, IdentityStore store, RegistryRules rules, RegistryLimits limits, LifecycleEvents events, TwinWriter twins)
{
    /// <summary>
    /// Raised after a change of an identity is durable, before the writer is answered: (before, after); null means absent.
    /// A device's change of status is also one of each of its modules, and its deletion theirs. Two writers of one identity
    /// may be heard in either order, so judge live connections by each change alone, or read the identity again.
    /// Handlers return at once and do not throw.
    /// </summary>
    public event Action<DeviceIdentity?, DeviceIdentity?>? Changed;

    // Many share one: a change of another identity costs a reader a look-up that it would not have needed.
    private const int Stamps = 1024;

    private readonly long[] _stamps = [.. Enumerable.Repeat(1L, Stamps)];

    /// <summary>The identity, or null. Of a module: with its device's status.</summary>
    public ValueTask<DeviceIdentity?> FindAsync(IdentityId id, CancellationToken stopping) =>
        database.LookUpAsync((store, id), static (session, a) => a.store.Find(session, a.id), stopping);

    /// <summary>
    /// Rises with each change of the identity, after its commit and before <see cref="Changed"/>: who has read it, is told of
    /// changes from then on, and finds the stamp as it was before the read has missed none.
    /// </summary>
    public long StampOf(IdentityId id) => Volatile.Read(ref StampAt(id));

    /// <summary>The first devices in the order of their ids.</summary>
    public async ValueTask<IReadOnlyList<DeviceIdentity>> ListAsync(int top, CancellationToken stopping) =>
        await database.ReadAsync(session => store.List(session, top), stopping);

    /// <summary>The modules of a device.</summary>
    public async ValueTask<Outcome<IReadOnlyList<DeviceIdentity>>> ListModulesAsync(DeviceId device, CancellationToken stopping)
    {
        var modules = await database.ReadAsync(
            session => store.Find(session, new IdentityId(device)) is null ? null : store.ListModules(session, device), stopping);
        return modules is null ? HubFailures.DeviceNotFound : modules;
    }

    /// <summary>How many identities there are.</summary>
    public async ValueTask<RegistryCounts> CountAsync(CancellationToken stopping) =>
        await database.ReadAsync(IdentityStore.Count, stopping);

    /// <summary>Adds an identity; 409 when the id is taken.</summary>
    public ValueTask<Outcome<DeviceIdentity>> CreateAsync(IdentityDraft draft, CancellationToken stopping) =>
        RunAsync((session, changes) => Create(session, draft, changes), stopping);

    /// <summary>Replaces an identity that meets the condition.</summary>
    public ValueTask<Outcome<DeviceIdentity>> UpdateAsync(IdentityDraft draft, ETagCondition condition, CancellationToken stopping) =>
        RunAsync((session, changes) => Update(session, draft, condition, changes), stopping);

    /// <summary>Deletes an identity that meets the condition, with all that belongs to it.</summary>
    /// <returns>What was deleted.</returns>
    public ValueTask<Outcome<DeviceIdentity>> DeleteAsync(IdentityId id, ETagCondition condition, CancellationToken stopping) =>
        RunAsync((session, changes) => Delete(session, id, condition, changes), stopping);

    /// <summary>Applies each change that can be applied, in order, in one commit; the others are named in the answer.</summary>
    /// <remarks>Twins of identities that were there before are not changed here: that is their actors' to do, afterwards.</remarks>
    /// <exception cref="StorageUnavailableException">Nothing was applied.</exception>
    public async ValueTask<BulkResult> ApplyAsync(IReadOnlyList<BulkChange> bulk, CancellationToken stopping)
    {
        // spec/service-rest.md 4.4: an id twice is refused for that id; neither of the two is more right than the other.
        var repeated = bulk.GroupBy(item => item.Draft.Id).Where(group => group.Count() > 1).Select(group => group.Key).ToHashSet();
        var (result, changes) = await database.WriteAsync(
            session =>
            {
                var failed = new List<BulkError>(repeated.Select(id => new BulkError(id, HubFailures.DeviceDefinedMultipleTimes)));
                var made = new List<(DeviceIdentity?, DeviceIdentity?)>();
                var later = new List<BulkTwin>();
                foreach (var item in bulk.Where(item => !repeated.Contains(item.Draft.Id)))
                {
                    if (Apply(session, item, made, later) is { } failure)
                    {
                        failed.Add(new BulkError(item.Draft.Id, failure));
                    }
                }

                return (new BulkResult(failed, later), made);
            },
            stopping);
        Raise(changes);
        return result;
    }

    private async ValueTask<Outcome<DeviceIdentity>> RunAsync(
        Func<SqlSession, List<(DeviceIdentity?, DeviceIdentity?)>, Outcome<DeviceIdentity>> unit, CancellationToken stopping)
    {
        try
        {
            var (outcome, changes) = await database.WriteAsync(
                session =>
                {
                    var made = new List<(DeviceIdentity?, DeviceIdentity?)>();
                    return (unit(session, made), made);
                },
                stopping);
            Raise(changes);
            return outcome;
        }
        catch (StorageUnavailableException)
        {
            return HubFailures.Unavailable;
        }
    }

    private ref long StampAt(IdentityId id) => ref _stamps[(uint)id.GetHashCode() % Stamps];

    private void Raise(List<(DeviceIdentity? Before, DeviceIdentity? After)> changes)
    {
        foreach (var (before, after) in changes)
        {
            Interlocked.Increment(ref StampAt((after ?? before)!.Id)); // One of them is there.
            Changed?.Invoke(before, after);
        }
    }

    private HubFailure? Apply(
        SqlSession session, BulkChange item, List<(DeviceIdentity?, DeviceIdentity?)> changes, List<BulkTwin> later)
    {
        var condition = item.Mode is BulkMode.UpdateIfMatchETag or BulkMode.CreateOrUpdateIfMatchETag or BulkMode.DeleteIfMatchETag or BulkMode.UpdateTwinIfMatchETag
            ? ETagCondition.Parse(item.ETag) ?? ETagCondition.Exactly("") // No ETag given matches none.
            : ETagCondition.Any;
        var mode = item.Mode is BulkMode.CreateOrUpdate or BulkMode.CreateOrUpdateIfMatchETag
            ? store.Find(session, item.Draft.Id) is null ? BulkMode.Create : BulkMode.Update
            : item.Mode;
        switch (mode)
        {
            case BulkMode.Create:
                return CreateWithTwin(session, item, changes);
            case BulkMode.Delete or BulkMode.DeleteIfMatchETag:
                return Delete(session, item.Draft.Id, condition, changes).Failure;
            case BulkMode.UpdateTwin or BulkMode.UpdateTwinIfMatchETag:
                later.Add(new BulkTwin(item.Draft.Id, item.Twin ?? new TwinUpdate(), condition));
                return null;
        }

        var refusal = Update(session, item.Draft, condition, changes).Failure;
        if (refusal is null && item.Twin is { } twin)
        {
            later.Add(new BulkTwin(item.Draft.Id, twin, ETagCondition.Any));
        }

        return refusal;
    }

    private HubFailure? CreateWithTwin(SqlSession session, BulkChange item, List<(DeviceIdentity?, DeviceIdentity?)> changes) =>
        (item.Twin is { } twin ? twins.CheckNew(twin) : null) ?? Create(session, item.Draft, changes).Failure
        ?? (item.Twin is { } first ? twins.Change(session, item.Draft.Id, first, ETagCondition.Any).Failure : null); // Nobody listens yet.

    private Outcome<DeviceIdentity> Create(SqlSession session, IdentityDraft draft, List<(DeviceIdentity?, DeviceIdentity?)> changes)
    {
        if (!rules.Create(draft).TryGet(out var identity, out var failure))
        {
            return failure;
        }

        // 1. Is there a place for it?
        if (store.Find(session, identity.Id) is not null)
        {
            return AlreadyExists(identity.Id);
        }

        if (identity.Id.IsModule)
        {
            if (store.Find(session, new IdentityId(identity.Id.Device)) is not { } device)
            {
                return HubFailures.DeviceNotFound;
            }

            if (IdentityStore.CountModules(session, identity.Id.Device) >= limits.MaxModulesPerDevice)
            {
                return HubFailures.TooManyModules;
            }

            identity = identity with { IsEnabled = device.IsEnabled };
        }

        var counts = IdentityStore.Count(session);
        if (counts.Devices + counts.Modules >= limits.MaxIdentities)
        {
            return HubFailures.TooManyDevices;
        }

        // 2. Do its scopes name somebody?
        if (CheckScopes(session, identity) is { } noScope)
        {
            return noScope;
        }

        // 3. Nothing is written before everything is checked: in a bulk request the items share a savepoint.
        if (!store.TryInsert(session, identity))
        {
            return AlreadyExists(identity.Id); // Another node was faster.
        }

        changes.Add((null, identity));
        events.Created(session, identity);
        AddEdgeModules(session, identity, changes);
        return identity;
    }

    private Outcome<DeviceIdentity> Update(
        SqlSession session, IdentityDraft draft, ETagCondition condition, List<(DeviceIdentity?, DeviceIdentity?)> changes)
    {
        for (var attempt = 0; attempt < 2; attempt++)
        {
            if (store.Find(session, draft.Id) is not { } stored)
            {
                return NotFound(session, draft.Id);
            }

            if (condition.Check(stored.ETag) is { } mismatch)
            {
                return mismatch;
            }

            if (!rules.Replace(stored, draft).TryGet(out var changed, out var failure))
            {
                return failure;
            }

            if (CheckScopes(session, changed) is { } noScope)
            {
                return noScope;
            }

            if (store.TryUpdate(session, stored, changed))
            {
                changes.Add((stored, changed));
                AddModulesOf(session, stored, changed, changes);
                AddEdgeModules(session, changed, changes);
                return changed;
            }
        }

        return HubFailures.PreconditionFailed;
    }

    private Outcome<DeviceIdentity> Delete(
        SqlSession session, IdentityId id, ETagCondition condition, List<(DeviceIdentity?, DeviceIdentity?)> changes)
    {
        for (var attempt = 0; attempt < 2; attempt++)
        {
            if (store.Find(session, id) is not { } stored)
            {
                return NotFound(session, id);
            }

            if (condition.Check(stored.ETag) is { } mismatch)
            {
                return mismatch;
            }

            IReadOnlyList<DeviceIdentity> modules = id.IsModule ? [] : store.ListModules(session, id.Device);
            var farewells = events.BeforeDeletion(session, [.. modules, stored]); // Twins go with their identities.
            if (IdentityStore.TryDelete(session, stored))
            {
                changes.Add((stored, null));
                changes.AddRange(modules.Select(module => ((DeviceIdentity?)module, (DeviceIdentity?)null)));
                events.Deleted(session, farewells);
                return stored;
            }
        }

        return HubFailures.PreconditionFailed;
    }

    private static HubFailure AlreadyExists(IdentityId id) =>
        id.IsModule ? HubFailures.ModuleAlreadyExists : HubFailures.DeviceAlreadyExists;

    private HubFailure NotFound(SqlSession session, IdentityId id) =>
        id.IsModule && store.Find(session, new IdentityId(id.Device)) is not null ? HubFailures.ModuleNotFound : HubFailures.DeviceNotFound;

    // The parent must be an edge device with that very scope: a re-created parent has another.
    private HubFailure? CheckScopes(SqlSession session, DeviceIdentity identity)
    {
        if (identity.ParentScopes is not [var parent])
        {
            return null;
        }

        var isParent = RegistryRules.FindScopeOwner(parent) is { } owner && owner != identity.Id.Device
            && store.Find(session, new IdentityId(owner)) is { IsEdge: true } edge && edge.DeviceScope == parent;
        return isParent ? null : HubFailures.InvalidDeviceScope;
    }

    private void AddEdgeModules(SqlSession session, DeviceIdentity device, List<(DeviceIdentity?, DeviceIdentity?)> changes)
    {
        if (!device.IsEdge)
        {
            return;
        }

        foreach (var name in RegistryRules.EdgeModules)
        {
            var module = rules.CreateEdgeModule(device, name);
            if (store.TryInsert(session, module))
            {
                changes.Add((null, module));
                events.Created(session, module);
            }
        }
    }

    // Modules have no status of their own, so a change of their device's is theirs.
    private void AddModulesOf(
        SqlSession session, DeviceIdentity before, DeviceIdentity after, List<(DeviceIdentity?, DeviceIdentity?)> changes)
    {
        if (after.Id.IsModule || before.IsEnabled == after.IsEnabled)
        {
            return;
        }

        foreach (var module in store.ListModules(session, after.Id.Device))
        {
            changes.Add((module with { IsEnabled = before.IsEnabled }, module));
        }
    }
}
