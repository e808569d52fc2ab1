using System.Net;
using System.Text;
using Nave.Hub.Access;
using Nave.Hub.Devices;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;
using Nave.Tests;
using static Nave.Hub.Tests.Access.AccessHarness;

namespace Nave.Hub.Tests.Access;

public sealed class PolicyAccessTests
{
    [Theory]
    [Conformance("security", 7)]
    [InlineData("hub.nave.test", "a", true)]
    [InlineData("hub.nave.test/devices", "ab", true)]
    [InlineData("hub.nave.test/devices/a", "a", true)]
    [InlineData("hub.nave.test/devices/a", "ab", false)]
    [InlineData("hub.nave.test/devices/a", "a/m", false)]
    [InlineData("hub.nave.test/devices/a/modules/m", "a/m", true)]
    [InlineData("hub.nave.test/devices/a/modules/m", "a", false)]
    [InlineData("hub.nave.test", "a/m", true)]
    [InlineData("other.nave.test", "a", false)]
    public async Task A_policy_with_DeviceConnect_admits_what_its_token_covers(string resource, string id, bool isAdmitted)
    {
        using var hub = await CreateAsync();
        hub.Identities.CreateWithKeys("a", KeyA, KeyB);
        hub.Identities.CreateWithKeys("ab", KeyA, KeyB);
        hub.Identities.CreateWithKeys("a/m", KeyA, KeyB);

        var outcome = await hub.AdmitAsync(id, hub.PolicyToken("device", resource));

        Assert.Equal(isAdmitted, outcome.Value is not null);
        Assert.Equal(isAdmitted ? Id(id) : null, outcome.Value?.Identity);
    }

    [Theory]
    [Conformance("security", 10)]
    [InlineData("hub.nave.test/devices/pump-a7", "Pump-A7")]
    [InlineData("hub.nave.test/devices/a%2Bb", "a+b")]
    public async Task A_policys_token_must_spell_the_id_exactly(string resource, string id)
    {
        using var hub = await CreateAsync();
        hub.Identities.CreateWithKeys(id, KeyA, KeyB);
        hub.Identities.CreateWithKeys("a%2Bb", KeyA, KeyB);

        await hub.ExpectRefusedAsync(id, hub.PolicyToken("device", resource));

        Assert.NotNull(await hub.ExpectAdmittedAsync("a%2Bb", hub.PolicyToken("device", "hub.nave.test/devices/a%2Bb")));
    }

    [Theory]
    [Conformance("security", 8)]
    [InlineData("iothubowner", AccessRights.RegistryWrite, "/devices/a", true)]
    [InlineData("iothubowner", AccessRights.DeviceConnect, "/devices/a/messages/events", true)]
    [InlineData("service", AccessRights.RegistryRead, "/devices/a", false)]
    [InlineData("service", AccessRights.ServiceConnect, "/twins/a", true)]
    [InlineData("service", AccessRights.DeviceConnect, "/devices/a/messages/events", false)]
    [InlineData("registryRead", AccessRights.RegistryRead, "/devices/a", true)]
    [InlineData("registryRead", AccessRights.RegistryWrite, "/devices/a", false)]
    [InlineData("registryRead", AccessRights.ServiceConnect, "/twins/a", false)]
    [InlineData("registryReadWrite", AccessRights.RegistryRead, "/devices", true)]
    [InlineData("registryReadWrite", AccessRights.RegistryWrite, "/devices/a", true)]
    [InlineData("device", AccessRights.RegistryRead, "/devices/a", false)]
    [InlineData("device", AccessRights.ServiceConnect, "/messages/events", false)]
    public async Task Each_built_in_policy_permits_its_rights_and_no_others(string policy, AccessRights right, string path, bool isAllowed)
    {
        using var hub = await CreateAsync();
        var grant = await hub.ExpectBearerAsync(hub.PolicyToken(policy));

        var refusal = hub.Access.Allows(grant, right, path);

        Assert.Equal(isAllowed ? null : HubErrorCode.IotHubUnauthorizedAccess, refusal?.Code);
        Assert.Equal(isAllowed ? null : 401, refusal?.HttpStatus);
    }

    [Theory]
    [Conformance("security", 8)]
    [InlineData("service")]
    [InlineData("registryReadWrite")]
    public async Task A_policy_without_DeviceConnect_admits_no_device(string policy)
    {
        using var hub = await CreateAsync();
        hub.Identities.CreateWithKeys("a", KeyA, KeyB);

        var failure = await hub.ExpectRefusedAsync("a", hub.PolicyToken(policy));

        Assert.Contains("lacks the right DeviceConnect", failure.Detail);
    }

    [Fact]
    public async Task The_scope_of_a_token_bounds_what_its_policy_may()
    {
        using var hub = await CreateAsync();
        var events = await hub.ExpectBearerAsync(hub.PolicyToken("iothubowner", "sb://hub.nave.test/nave/$management"));
        var devices = await hub.ExpectBearerAsync(hub.PolicyToken("iothubowner", "hub.nave.test/devices"));

        Assert.Null(hub.Access.Allows(events, AccessRights.ServiceConnect, "/messages/events/$management"));
        Assert.NotNull(hub.Access.Allows(events, AccessRights.ServiceConnect, "/messages/events/ConsumerGroups/$Default/Partitions/0"));
        Assert.NotNull(hub.Access.Allows(events, AccessRights.RegistryRead, "/devices/a"));
        Assert.Null(hub.Access.Allows(devices, AccessRights.RegistryRead, "/devices/a"));
        Assert.NotNull(hub.Access.Allows(devices, AccessRights.ServiceConnect, "/twins/a"));
    }

    [Theory]
    [InlineData("/devices/a/messages/events", true)]
    [InlineData("/DEVICES/a/files", true)]
    [InlineData("/devices/ab/messages/events", false)]
    [InlineData("/devices/A/messages/events", false)]
    [InlineData("/devices/a/modules/m/messages/events", false)]
    [InlineData("/messages/events", false)]
    public async Task A_device_reaches_what_is_its_own(string path, bool isAllowed)
    {
        using var hub = await CreateAsync();
        hub.Identities.CreateWithKeys("a", KeyA, KeyB);
        var byKey = await hub.ExpectAdmittedAsync("a", hub.Token(Host + "/devices/a", KeyA));
        var byPolicy = await hub.ExpectAdmittedAsync("a", hub.PolicyToken("iothubowner"));

        Assert.Equal(isAllowed, hub.Access.Allows(byKey, AccessRights.DeviceConnect, path) is null);
        Assert.Equal(isAllowed, hub.Access.Allows(byPolicy, AccessRights.DeviceConnect, path) is null);
        Assert.NotNull(hub.Access.Allows(byKey, AccessRights.RegistryRead, "/devices/a"));
        Assert.NotNull(hub.Access.Allows(byPolicy, AccessRights.RegistryRead, "/devices/a"));
    }

    [Theory]
    [Conformance("security", 13)]
    [InlineData(SasSigner.Primary)]
    [InlineData(SasSigner.Secondary)]
    public async Task Rolling_a_policys_key_ends_what_was_signed_with_it_and_nothing_else(SasSigner rolled)
    {
        using var hub = await CreateAsync();
        hub.Identities.CreateWithKeys("a", KeyA, KeyB);
        var policy = hub.Policies.Find("DEVICE")!;
        var primary = hub.Token(Host + "/devices/a", policy.PrimaryKey, policy: "device");
        var secondary = hub.Token(Host + "/devices/a", policy.SecondaryKey, policy: "Device");
        var live = new[] { await hub.ExpectAdmittedAsync("a", primary), await hub.ExpectAdmittedAsync("a", secondary) };

        await hub.Policies.RollAsync("device", rolled, null, default);

        var ended = rolled is SasSigner.Primary ? 0 : 1;
        Assert.Equal(CloseReason.CredentialRevoked, await hub.Access.FindRevocationAsync(live[ended], default));
        Assert.Null(await hub.Access.FindRevocationAsync(live[1 - ended], default));
        await hub.ExpectRefusedAsync("a", ended == 0 ? primary : secondary);
        Assert.NotNull(await hub.ExpectAdmittedAsync("a", ended == 0 ? secondary : primary));
    }

    [Fact]
    public async Task Withdrawing_a_right_or_deleting_a_policy_ends_what_stands_on_it()
    {
        using var hub = await CreateAsync();
        hub.Identities.CreateWithKeys("a", KeyA, KeyB);
        var device = await hub.ExpectAdmittedAsync("a", hub.PolicyToken("iothubowner"));
        var backEnd = await hub.ExpectBearerAsync(hub.PolicyToken("iothubowner"));
        var service = await hub.ExpectBearerAsync(hub.PolicyToken("service"));

        await hub.Policies.ChangeAsync("iothubowner", AccessRights.DeviceConnect | AccessRights.RegistryWrite, null, default);
        await hub.Policies.DeleteAsync("service", default);

        Assert.Null(await hub.Access.FindRevocationAsync(device, default));
        Assert.Equal(CloseReason.CredentialRevoked, await hub.Access.FindRevocationAsync(backEnd, default));
        Assert.Equal(CloseReason.CredentialRevoked, await hub.Access.FindRevocationAsync(service, default));
        Assert.NotNull(hub.Access.Allows(service, AccessRights.ServiceConnect, "/messages/events"));
    }

    [Fact]
    public async Task A_narrowed_policy_acts_for_its_devices_and_from_its_addresses_only()
    {
        using var hub = await CreateAsync();
        hub.Identities.CreateWithKeys("pump-1", KeyA, KeyB);
        hub.Identities.CreateWithKeys("fan-1", KeyA, KeyB);
        var bounds = new PolicyBounds("pump-*", [IPNetwork.Parse("192.0.2.0/28")]);
        await hub.Policies.CreateAsync(new PolicySeed("tokens", AccessRights.DeviceConnect | AccessRights.ServiceConnect, KeyA), bounds, default);
        var token = hub.PolicyToken("tokens");

        var live = await hub.ExpectAdmittedAsync("pump-1", token);
        var backEnd = await hub.ExpectBearerAsync(token);
        await hub.ExpectRefusedAsync("fan-1", token);
        var elsewhere = await hub.AdmitAsync("pump-1", token, IPAddress.Parse("192.0.2.16"));
        var unknown = await hub.Access.AdmitDeviceAsync(Id("pump-1"), new DeviceProof(token, null, null, null), default);

        Assert.Null(elsewhere.Value);
        Assert.Null(unknown.Value);
        Assert.NotNull((await hub.AdmitAsync("pump-1", token, IPAddress.Parse("::ffff:192.0.2.15"))).Value);
        Assert.Null(hub.Access.Allows(backEnd, AccessRights.ServiceConnect, "/twins/pump-2/methods"));
        Assert.NotNull(hub.Access.Allows(backEnd, AccessRights.ServiceConnect, "/twins/fan-1"));
        Assert.NotNull(hub.Access.Allows(backEnd, AccessRights.ServiceConnect, "/messages/events"));
        Assert.NotNull(hub.Access.Allows(backEnd, AccessRights.ServiceConnect, "/devices/query"));

        await hub.Policies.ChangeAsync("tokens", null, new PolicyBounds("fan-*", []), default);
        Assert.Equal(CloseReason.CredentialRevoked, await hub.Access.FindRevocationAsync(live, default));
    }

    [Theory]
    [InlineData(nameof(AuthenticationType.SelfSigned), true)]
    [InlineData(nameof(AuthenticationType.CertificateAuthority), true)]
    [InlineData(nameof(AuthenticationType.None), false)]
    public async Task A_policys_token_admits_identities_of_any_type_but_none(string type, bool isAdmitted)
    {
        using var hub = await CreateAsync();
        hub.Identities.Create("a", new IdentityAuthentication(Enum.Parse<AuthenticationType>(type)));

        var outcome = await hub.AdmitAsync("a", hub.PolicyToken("device"));

        Assert.Equal(isAdmitted, outcome.Value is not null);
    }

    [Fact]
    [Conformance("security", 22)]
    public async Task A_policys_token_for_another_hub_is_refused_though_the_key_is_the_same()
    {
        using var hub = await CreateAsync();

        var outcome = await hub.AdmitBearerAsync(hub.PolicyToken("iothubowner", "other.nave.test"));

        Assert.Equal(HubErrorCode.IotHubUnauthorizedAccess, outcome.Failure?.Code);
        Assert.Contains("'other.nave.test'", outcome.Failure?.Detail);
    }

    [Fact]
    public async Task Event_hub_clients_sign_with_the_keys_text_or_send_the_key()
    {
        using var hub = await CreateAsync();
        var key = hub.Policies.Find("service")!.SecondaryKey;
        var token = hub.Token("sb://hub.nave.test/nave", Convert.ToBase64String(Encoding.UTF8.GetBytes(key)), policy: "service");

        Assert.Null((await hub.AdmitBearerAsync(token)).Value);
        Assert.NotNull((await hub.AdmitBearerAsync(token, eventHubsSigning: true)).Value);
        Assert.Null((await hub.AdmitAsync("a", token)).Value);
        Assert.Null(hub.Access.Allows(hub.Access.AdmitPolicyKey("service", key, Peer).Value!, AccessRights.ServiceConnect, "/messages/events"));
        Assert.NotNull(hub.Access.AdmitPolicyKey("service", KeyA, Peer).Failure);
        Assert.NotNull(hub.Access.AdmitPolicyKey("nobody", "", Peer).Failure);
    }

    [Fact]
    public async Task The_bearer_of_a_policys_token_may_act_as_the_devices_it_covers()
    {
        using var hub = await CreateAsync();
        hub.Identities.CreateWithKeys("a", KeyA, KeyB);
        hub.Identities.CreateWithKeys("b", KeyA, KeyB);
        var whole = await hub.ExpectBearerAsync(hub.PolicyToken("device"));
        var onlyA = await hub.ExpectBearerAsync(hub.PolicyToken("device", Host + "/devices/a"));
        var ownKey = await hub.ExpectBearerAsync(hub.Token(Host + "/devices/a", KeyA));

        Assert.Equal(Id("b"), (await hub.Access.ActAsAsync(whole, Id("b"), default)).Value?.Identity);
        Assert.Equal(Id("a"), (await hub.Access.ActAsAsync(onlyA, Id("a"), default)).Value?.Identity);
        Assert.Null((await hub.Access.ActAsAsync(onlyA, Id("b"), default)).Value);
        Assert.Null((await hub.Access.ActAsAsync(whole, Id("nobody"), default)).Value);
        Assert.Null((await hub.Access.ActAsAsync(ownKey, Id("b"), default)).Value);
    }
}
