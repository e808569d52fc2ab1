using Nave.Protocol.Identities;

namespace Nave.Hub.Devices;

/// <summary>Durable MQTT sessions: the subscriptions of an identity, in SQL. Deleted with the identity.</summary>
internal sealed class SubscriptionStore
{
    /// <summary>The stored session, or null when there is none (SessionPresent = 0).</summary>
    public ValueTask<IReadOnlyList<Subscription>?> GetAsync(IdentityId id, string generationId, CancellationToken stopping) =>
        throw new NotImplementedException();

    /// <summary>Replaces the stored session; an empty list is a session without subscriptions. Durable when completed.</summary>
    public ValueTask PutAsync(IdentityId id, string generationId, IReadOnlyList<Subscription> subscriptions, CancellationToken stopping) =>
        throw new NotImplementedException();

    /// <summary>Forgets the session.</summary>
    public ValueTask DeleteAsync(IdentityId id, CancellationToken stopping) => throw new NotImplementedException();
}
