using Nave.Hub.Heads.Mqtt;
using Nave.Protocol;
using Nave.Protocol.Identities;
using Subscription = Nave.Hub.Devices.Subscription;

namespace Nave.Hub.Tests.Heads.Mqtt;

public sealed class MqttSubscriptionsTests
{
    private static readonly IdentityId Id = new(DeviceId.Parse("dev"));

    private readonly MqttSubscriptions _subscriptions = new(null!, Id, "1", isDurable: false, new MqttTopics(Id), []);

    [Fact]
    public async Task A_packet_with_too_many_filters_is_not_looked_at_any_further()
    {
        var seen = 0;

        var isTaken = await _subscriptions.AddAsync(Filters(10_000).Select(subscription => (Seen: ++seen, subscription).subscription), default);

        Assert.False(isTaken);
        Assert.Equal(HubLimits.MaxMqttSubscriptions + 1, seen);
        Assert.Empty(_subscriptions.Current);
    }

    [Fact]
    public async Task As_many_as_are_allowed_may_be_granted_and_granted_anew()
    {
        var most = Filters(HubLimits.MaxMqttSubscriptions);

        Assert.True(await _subscriptions.AddAsync(most, default));
        Assert.True(await _subscriptions.AddAsync(most.Select(one => one with { Qos = 1 }), default));

        Assert.Equal(HubLimits.MaxMqttSubscriptions, _subscriptions.Current.Count);
        Assert.All(_subscriptions.Current, subscription => Assert.Equal(1, subscription.Qos));
        Assert.False(await _subscriptions.AddAsync(Filters(HubLimits.MaxMqttSubscriptions + 1), default));
    }

    private static IReadOnlyList<Subscription> Filters(int count) =>
        [.. Enumerable.Range(0, count).Select(number => new Subscription($"$iothub/methods/POST/{number}", 0))];
}
