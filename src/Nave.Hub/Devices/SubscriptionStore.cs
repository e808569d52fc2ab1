using System.Text.Json;
using Nave.Protocol.Identities;
using Nave.Storage;

namespace Nave.Hub.Devices;

/// <summary>Durable MQTT sessions: the subscriptions of an identity, in SQL. Deleted with the identity.</summary>
internal sealed class SubscriptionStore(HubDatabase database)
{
    private const string Get = """
        SELECT filters FROM subscriptions WHERE device_id = @device AND module_id = @module AND generation_id = @generation
        """;

    // Only beside a living identity of that generation: a session that outlives its identity writes nothing.
    private const string Put = """
        INSERT INTO subscriptions (device_id, module_id, generation_id, filters)
        SELECT device_id, module_id, generation_id, @filters FROM identities
        WHERE device_id = @device AND module_id = @module AND generation_id = @generation
        ON CONFLICT (device_id, module_id) DO UPDATE SET generation_id = excluded.generation_id, filters = excluded.filters
        """;

    private const string Delete = "DELETE FROM subscriptions WHERE device_id = @device AND module_id = @module";

    /// <summary>The stored session, or null when there is none (SessionPresent = 0).</summary>
    public async ValueTask<IReadOnlyList<Subscription>?> GetAsync(IdentityId id, string generationId, CancellationToken stopping)
    {
        var filters = await database.LookUpAsync(
            (id, generationId),
            static (session, a) => session.Find(
                Get,
                row => row.GetString(0),
                ("@device", a.id.Device.Value),
                ("@module", IdentityStore.ModuleColumn(a.id)),
                ("@generation", a.generationId)),
            stopping);
        return filters is null ? null : JsonSerializer.Deserialize(filters, DevicesJson.Default.IReadOnlyListSubscription);
    }

    /// <summary>Replaces the stored session; an empty list is a session without subscriptions. Durable when completed.</summary>
    public async ValueTask PutAsync(
        IdentityId id, string generationId, IReadOnlyList<Subscription> subscriptions, CancellationToken stopping)
    {
        var filters = JsonSerializer.Serialize(subscriptions, DevicesJson.Default.IReadOnlyListSubscription);
        await database.WriteAsync(
            session => session.Execute(
                Put,
                ("@device", id.Device.Value),
                ("@module", IdentityStore.ModuleColumn(id)),
                ("@generation", generationId),
                ("@filters", filters)),
            stopping);
    }

    /// <summary>Forgets the session.</summary>
    public async ValueTask DeleteAsync(IdentityId id, CancellationToken stopping) => await database.WriteAsync(
        session => session.Execute(Delete, ("@device", id.Device.Value), ("@module", IdentityStore.ModuleColumn(id))), stopping);
}
