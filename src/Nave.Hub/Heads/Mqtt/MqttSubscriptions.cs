using Nave.Hub.Devices;
using Nave.Protocol;
using Nave.Protocol.Identities;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>
/// What one connection is subscribed to, in the client's own spelling (spec/device-mqtt.md 5, "Topic spelling"). Kept in
/// the store while the session is durable; a change counts once it is stored. The loop changes it, any thread reads.
/// </summary>
internal sealed class MqttSubscriptions(
    SubscriptionStore store, IdentityId id, string generationId, bool isDurable, MqttTopics topics, IReadOnlyList<Subscription> stored)
{
    private static readonly Snapshot Nothing = new([], MqttFeeds.None);

    private volatile Snapshot _current = stored.Count is 0 ? Nothing : new(stored, FeedsOf(topics, stored));

    /// <summary>All of them, in the order of their first SUBSCRIBE.</summary>
    public IReadOnlyList<Subscription> Current => _current.Subscriptions;

    /// <summary>Whether one of them asks for it.</summary>
    public bool Has(MqttFeeds feed) => (_current.Feeds & feed) is not MqttFeeds.None;

    /// <summary>Those that ask for it.</summary>
    public IReadOnlyList<Subscription> Of(MqttFeeds feed) =>
        [.. Current.Where(subscription => (topics.ReadFilter(subscription.Filter) & feed) is not MqttFeeds.None)];

    /// <summary>Adds filters, or changes the QoS of those that are there. Durable when completed.</summary>
    /// <returns>False when there would be too many.</returns>
    public async ValueTask<bool> AddAsync(IEnumerable<Subscription> added, CancellationToken closing)
    {
        var next = Current.ToList();
        foreach (var subscription in added)
        {
            var at = next.FindIndex(other => other.Filter == subscription.Filter);
            if (at >= 0)
            {
                next[at] = subscription;
            }
            else if (next.Count < HubLimits.MaxMqttSubscriptions)
            {
                next.Add(subscription);
            }
            else
            {
                return false; // At once: a packet has room for ten thousand, each compared with all before it.
            }
        }

        await ReplaceAsync(next, closing);
        return true;
    }

    /// <summary>Removes filters; what is not there is no error. Durable when completed.</summary>
    public ValueTask RemoveAsync(IReadOnlyCollection<string> filters, CancellationToken closing) =>
        ReplaceAsync([.. Current.Where(subscription => !filters.Contains(subscription.Filter))], closing);

    private async ValueTask ReplaceAsync(List<Subscription> next, CancellationToken closing)
    {
        if (next.SequenceEqual(Current))
        {
            return;
        }

        if (isDurable)
        {
            await store.PutAsync(id, generationId, next, closing);
        }

        _current = new Snapshot(next, FeedsOf(topics, next));
    }

    private static MqttFeeds FeedsOf(MqttTopics topics, IEnumerable<Subscription> subscriptions) =>
        subscriptions.Aggregate(MqttFeeds.None, (feeds, subscription) => feeds | topics.ReadFilter(subscription.Filter));

    private sealed record Snapshot(IReadOnlyList<Subscription> Subscriptions, MqttFeeds Feeds);
}
