using Nave.Protocol.Access;
using Nave.Protocol.Identities;
using Nave.Tests;

namespace Nave.Protocol.Tests.Access;

public sealed class ResourceScopeTests
{
    [Theory]
    [Conformance("security", 9, 10)]
    [InlineData("hub/devices/dev@1", "dev@1")] // Node
    [InlineData("hub/devices/dev%401", "dev@1")] // C#: encoded twice
    [InlineData("hub/devices/a%2Bb", "a+b")]
    [InlineData("hub/devices/a%2Bb", "a%2Bb")]
    [InlineData("hub/devices/pump-a7", "Pump-A7")] // the documentation's sample functions
    [InlineData("HUB/DEVICES/PUMP-A7", "Pump-A7")]
    [InlineData("hub:8883/devices/dev1", "dev1")]
    [InlineData("amqps://hub/devices/dev1/", "dev1")]
    [InlineData("hub/devices/dev1/api-version=2016-11-14", "dev1")]
    [InlineData("hub/devices/dev1/messages/events", "dev1")]
    [InlineData("hub/devices/dev1/modules/mod1", "dev1/mod1")]
    [InlineData("hub/devices/dev1/modules/mod1/messages", "dev1/mod1")]
    public void A_token_signed_with_the_identitys_own_key_may_spell_it_as_clients_do(string resource, string id) =>
        Assert.True(ResourceScope.Parse(resource).NamesIdentity(Id(id)));

    [Theory]
    [Conformance("security", 6, 21)]
    [InlineData("hub", "dev1")]
    [InlineData("hub/devices", "dev1")]
    [InlineData("hub/devices/dev10", "dev1")]
    [InlineData("hub/devices/dev", "dev1")]
    [InlineData("hub//devices/dev1", "dev1")]
    [InlineData("hub/messages/dev1", "dev1")]
    [InlineData("hub/devices/dev1/modules/mod1", "dev1")]
    [InlineData("hub/devices/dev1/modules", "dev1")]
    [InlineData("hub/devices/dev1", "dev1/mod1")]
    [InlineData("hub/devices/dev1/module/mod1", "dev1/mod1")]
    [InlineData("hub/devices/dev1/modules/mod2", "dev1/mod1")]
    [InlineData("hub/devices/dev2/modules/mod1", "dev1/mod1")]
    public void A_token_of_one_identity_names_no_other(string resource, string id) =>
        Assert.False(ResourceScope.Parse(resource).NamesIdentity(Id(id)));

    [Theory]
    [Conformance("security", 7)]
    [InlineData("hub", "/devices/a")]
    [InlineData("hub/", "/devices/a")]
    [InlineData("https://hub/devices", "/devices/a/messages/events")]
    [InlineData("hub/DEVICES/a", "/devices/a")]
    [InlineData("hub/devices/a", "/devices/a/messages/devicebound")]
    [InlineData("hub/devices/a/modules/m", "/devices/a/modules/m")]
    [InlineData("hub/messages/events", "/messages/events/ConsumerGroups/$Default/Partitions/0")]
    [InlineData("hub/messages/EVENTS", "/messages/events")]
    [InlineData("sb://hub:5671/nave/$management", "/messages/events/$management")]
    [InlineData("amqps://hub/Nave/ConsumerGroups/$Default/Partitions/0", "/nave/consumergroups/$default/partitions/0")]
    [InlineData("hub/messages/events", "/nave/ConsumerGroups/g/Partitions/3")]
    [InlineData("hub/servicebound/feedback", "/messages/servicebound/feedback")]
    [InlineData("hub/messages/servicebound/fileuploadnotifications", "/messages/servicebound/filenotifications")]
    [InlineData("hub/twins", "/twins/a")]
    public void A_policys_scope_covers_what_lies_below_it(string resource, string path) =>
        Assert.True(ResourceScope.Parse(resource).Covers(path, "nave"));

    [Theory]
    [Conformance("security", 7, 10)]
    [InlineData("hub/devices/a", "/devices/ab")]
    [InlineData("hub/devices/a", "/devices")]
    [InlineData("hub/devices/pump-a7", "/devices/Pump-A7")]
    [InlineData("hub/devices/a%2Bb", "/devices/a+b")]
    [InlineData("hub/devices/d/modules/M", "/devices/d/modules/m")]
    [InlineData("hub/twins/A", "/twins/a")]
    [InlineData("hub/devices/a", "/twins/a")]
    [InlineData("hub/messages/events/ConsumerGroups/g1", "/messages/events/ConsumerGroups/g2")]
    [InlineData("hub/messages", "/devices/messages")]
    [InlineData("hub/other", "/messages/events")]
    [InlineData("hub//devices", "/devices")]
    public void A_policys_scope_covers_nothing_else(string resource, string path) =>
        Assert.False(ResourceScope.Parse(resource).Covers(path, "nave"));

    [Theory]
    [Conformance("security", 26)]
    [InlineData("hub.nave.test", true)]
    [InlineData("HUB.nave.TEST:18883", true)]
    [InlineData("127.0.0.1:8883", true)]
    [InlineData("[::1]:8883", true)]
    [InlineData("::1", true)]
    [InlineData("hub", false)]
    [InlineData("other.nave.test", false)]
    [InlineData("hub.nave.test.evil", false)]
    [InlineData("", false)]
    public void A_hub_knows_its_names_with_or_without_port(string host, bool isKnown) =>
        Assert.Equal(isKnown, new HubNames("hub.nave.test", ["127.0.0.1", "::1"]).Contains(host));

    private static IdentityId Id(string text)
    {
        var parts = text.Split('/');
        return new IdentityId(DeviceId.Parse(parts[0]), parts.Length > 1 ? ModuleId.Parse(parts[1]) : null);
    }
}
