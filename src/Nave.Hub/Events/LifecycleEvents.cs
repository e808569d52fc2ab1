using Nave.Hub.Devices;
using Nave.Storage;

namespace Nave.Hub.Events;

/// <summary>
/// The events of identities that come and go (spec/messaging-semantics.md 5): rows of the registry's own transaction. The
/// body is the identity's twin. Methods run inside a unit of <see cref="HubDatabase"/>.
/// </summary>
internal sealed class LifecycleEvents(EventOutbox outbox, TimeProvider time)
{
    /// <summary>An identity has been added, and its twin with it.</summary>
    public void Created(SqlSession session, DeviceIdentity identity)
    {
        if (outbox.IsWanted(ChangeSource.DeviceLifecycleEvents) && TwinBody.Find(session, identity.Id) is { } twin)
        {
            outbox.Add(session, ChangeEvent.IdentityCreated(identity.Id, time.GetUtcNow(), twin.Json));
        }
    }

    /// <summary>What to tell of identities that are about to be deleted: their twins go with them.</summary>
    public IReadOnlyList<ChangeEvent> BeforeDeletion(SqlSession session, IReadOnlyList<DeviceIdentity> identities)
    {
        if (!outbox.IsWanted(ChangeSource.DeviceLifecycleEvents))
        {
            return [];
        }

        var now = time.GetUtcNow();
        return
        [
            .. from identity in identities
               let twin = TwinBody.Find(session, identity.Id)
               where twin is not null
               select ChangeEvent.IdentityDeleted(identity.Id, now, twin.Json, twin.ModelId),
        ];
    }

    /// <summary>They have been deleted.</summary>
    public void Deleted(SqlSession session, IReadOnlyList<ChangeEvent> farewells)
    {
        foreach (var farewell in farewells)
        {
            outbox.Add(session, farewell);
        }
    }
}
