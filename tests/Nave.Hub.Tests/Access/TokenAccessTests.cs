using Nave.Hub.Access;
using Nave.Hub.Devices;
using Nave.Protocol.Errors;
using Nave.Tests;
using static Nave.Hub.Tests.Access.AccessHarness;

namespace Nave.Hub.Tests.Access;

public sealed class TokenAccessTests
{
    [Fact]
    public async Task An_identity_is_not_read_again_for_its_grant_until_something_has_changed()
    {
        using var hub = await CreateAsync();
        hub.Identities.CreateWithKeys("dev1", KeyA, KeyB);
        var grant = await hub.ExpectAdmittedAsync("dev1", hub.Token(Host + "/devices/dev1", KeyA));
        var lookups = hub.Identities.Lookups;

        Assert.Null(await hub.Access.FindRevocationAsync(grant, default));
        Assert.Equal(lookups, hub.Identities.Lookups);

        hub.Identities.Change(Id("dev1"), device => device with { IsEnabled = false });
        Assert.Equal(CloseReason.IdentityDisabled, await hub.Access.FindRevocationAsync(grant, default));
    }

    [Fact]
    public async Task A_change_between_the_read_of_an_identity_and_its_judgement_is_seen_afterwards()
    {
        using var hub = await CreateAsync();
        hub.Identities.CreateWithKeys("dev1", KeyA, KeyB);
        hub.Identities.OnceRead = () => hub.Identities.Change(
            Id("dev1"), device => device with { Authentication = device.Authentication with { PrimaryKey = KeyC } });

        var grant = await hub.ExpectAdmittedAsync("dev1", hub.Token(Host + "/devices/dev1", KeyA));

        Assert.Equal(CloseReason.CredentialRevoked, await hub.Access.FindRevocationAsync(grant, default));
    }

    [Fact]
    [Conformance("security", 4)]
    public async Task Either_key_of_a_device_admits_it_until_that_key_is_rolled()
    {
        using var hub = await CreateAsync();
        hub.Identities.CreateWithKeys("dev1", KeyA, KeyB);
        var byPrimary = await hub.ExpectAdmittedAsync("dev1", hub.Token(Host + "/devices/dev1", KeyA));
        var secondaryToken = hub.Token(Host + "/devices/dev1", KeyB);
        var bySecondary = await hub.ExpectAdmittedAsync("dev1", secondaryToken);

        hub.Identities.Change(Id("dev1"), device => device with { Authentication = device.Authentication with { PrimaryKey = KeyC } });

        Assert.Equal(CloseReason.CredentialRevoked, await hub.Access.FindRevocationAsync(byPrimary, default));
        Assert.Null(await hub.Access.FindRevocationAsync(bySecondary, default));
        Assert.NotNull(await hub.ExpectAdmittedAsync("dev1", secondaryToken));
        await hub.ExpectRefusedAsync("dev1", hub.Token(Host + "/devices/dev1", KeyA));
    }

    [Theory]
    [Conformance("security", 5)]
    [InlineData(290, true)]
    [InlineData(300, true)]
    [InlineData(310, false)]
    public async Task A_token_stands_five_minutes_longer_than_it_says(int secondsPast, bool isAdmitted)
    {
        using var hub = await CreateAsync();
        hub.Identities.CreateWithKeys("dev1", KeyA, KeyB);
        var token = hub.Token(Host + "/devices/dev1", KeyA, TimeSpan.FromSeconds(-secondsPast));
        var policyToken = hub.PolicyToken("iothubowner", validFor: TimeSpan.FromSeconds(-secondsPast));

        var outcomes = new[] { await hub.AdmitAsync("dev1", token), await hub.AdmitAsync("dev1", policyToken), await hub.AdmitBearerAsync(policyToken) };

        Assert.All(outcomes, outcome => Assert.Equal(isAdmitted, outcome.Value is not null));
        Assert.All(outcomes, outcome => Assert.Equal(isAdmitted ? null : HubErrorCode.IotHubUnauthorized, outcome.Failure?.Code));
    }

    [Fact]
    [Conformance("security", 5)]
    public async Task No_allowance_for_wrong_clocks_is_legal()
    {
        using var hub = await CreateAsync(new AccessOptions { ClockSkew = TimeSpan.Zero });
        hub.Identities.CreateWithKeys("dev1", KeyA, KeyB);

        await hub.ExpectRefusedAsync("dev1", hub.Token(Host + "/devices/dev1", KeyA, TimeSpan.FromSeconds(-1)));
        var grant = await hub.ExpectAdmittedAsync("dev1", hub.Token(Host + "/devices/dev1", KeyA, TimeSpan.FromSeconds(5)));

        Assert.Equal(hub.Time.GetUtcNow() + TimeSpan.FromSeconds(5), grant.ExpiresAt);
    }

    [Theory]
    [Conformance("security", 6, 21, 22)]
    [InlineData("dev1", "hub.nave.test/devices/dev2")]
    [InlineData("dev1", "hub.nave.test")]
    [InlineData("dev1", "hub.nave.test/devices")]
    [InlineData("dev1", "hub.nave.test/devices/dev1/modules/mod1")]
    [InlineData("dev1/mod1", "hub.nave.test/devices/dev1")]
    [InlineData("dev1/mod1", "hub.nave.test/devices/dev1/module/mod1")]
    [InlineData("dev1", "other.nave.test/devices/dev1")]
    [InlineData("dev1", "hub.nave.test.evil/devices/dev1")]
    public async Task The_key_of_an_identity_opens_that_identity_on_this_hub_only(string id, string resource)
    {
        using var hub = await CreateAsync();
        hub.Identities.CreateWithKeys("dev1", KeyA, KeyA);
        hub.Identities.CreateWithKeys("dev2", KeyA, KeyA);
        hub.Identities.CreateWithKeys("dev1/mod1", KeyA, KeyA);

        var failure = await hub.ExpectRefusedAsync(id, hub.Token(resource, KeyA));

        Assert.Equal(HubFailures.Unauthorized.Message, failure.Message);
        Assert.Contains(resource.Split('/')[0], failure.Detail);
    }

    [Fact]
    [Conformance("security", 21)]
    public async Task A_modules_token_admits_the_module_and_not_its_device()
    {
        using var hub = await CreateAsync();
        hub.Identities.CreateWithKeys("dev1", KeyA, KeyB);
        hub.Identities.CreateWithKeys("dev1/mod1", KeyC, KeyC);
        var moduleToken = hub.Token(Host + "/devices/dev1/modules/mod1", KeyC);
        var deviceToken = hub.Token(Host + "/devices/dev1", KeyA);

        var grant = await hub.ExpectAdmittedAsync("dev1/mod1", moduleToken);
        await hub.ExpectRefusedAsync("dev1", moduleToken);
        await hub.ExpectRefusedAsync("dev1/mod1", deviceToken);

        Assert.Equal("""{"scope":"module","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}""", grant.AuthMethod);
    }

    [Theory]
    [Conformance("security", 9, 10, 26)]
    [InlineData("dev@1", "hub.nave.test%2Fdevices%2Fdev%401")]
    [InlineData("dev@1", "hub.nave.test%2Fdevices%2Fdev%25401")]
    [InlineData("a:b+c$", "hub.nave.test%2Fdevices%2Fa%253Ab%252Bc%2524")]
    [InlineData("Pump-A7", "hub.nave.test%2fdevices%2fpump-a7")]
    [InlineData("dev1", "hub.nave.test%3A18883%2Fdevices%2Fdev1")]
    [InlineData("dev1", "127.0.0.1%3A8883%2Fdevices%2Fdev1")]
    [InlineData("dev1", "HUB.Nave.TEST/devices/dev1")]
    [InlineData("MyDevice01", "hub.nave.test%2Fdevices%2FMyDevice01%2Fapi-version%3D2016-11-14")]
    public async Task Every_known_spelling_of_the_audience_is_taken_with_the_devices_own_key(string id, string sr)
    {
        using var hub = await CreateAsync();
        hub.Identities.CreateWithKeys(id, KeyA, KeyB);

        var grant = await hub.ExpectAdmittedAsync(id, Sign(sr, KeyA));

        Assert.Equal(Id(id), grant.Identity);
    }

    [Fact]
    [Conformance("security", 9)]
    public async Task A_bearer_is_found_by_either_spelling()
    {
        using var hub = await CreateAsync();
        hub.Identities.CreateWithKeys("dev@1", KeyA, KeyB);
        hub.Identities.CreateWithKeys("dev@1/m+1", KeyC, KeyC);

        var node = await hub.ExpectBearerAsync(Sign("hub.nave.test%2Fdevices%2Fdev%401", KeyA));
        var csharp = await hub.ExpectBearerAsync(Sign("hub.nave.test%2Fdevices%2Fdev%25401", KeyB));
        var module = await hub.ExpectBearerAsync(Sign("hub.nave.test%2Fdevices%2Fdev%25401%2Fmodules%2Fm%252B1", KeyC));

        Assert.Equal(Id("dev@1"), node.Identity);
        Assert.Equal(Id("dev@1"), csharp.Identity);
        Assert.Equal(Id("dev@1/m+1"), module.Identity);
        Assert.Equal(CredentialKind.ModuleKey, module.Kind);
    }

    [Theory]
    [Conformance("security", 24)]
    [InlineData("SharedAccessSignature sr=hub.nave.test%2Fdevices%2Fnobody&sig=YTwD00VgY%2FzlTOjACiVBm4WocU31wip36Epez0zo9mk%3D&se=1893456000")]
    [InlineData("SharedAccessSignature sr=hub.nave.test&sig=YTwD00VgY%2FzlTOjACiVBm4WocU31wip36Epez0zo9mk%3D&se=1893456000&skn=device")]
    [InlineData("SharedAccessSignature sr=hub.nave.test&sig=YTwD00VgY%2FzlTOjACiVBm4WocU31wip36Epez0zo9mk%3D&se=1893456000&skn=nosuchpolicy")]
    [InlineData("nonsense")]
    [InlineData("")]
    [InlineData(null)]
    public async Task An_unknown_device_and_a_bad_signature_look_the_same(string? token)
    {
        using var hub = await CreateAsync();
        hub.Identities.CreateWithKeys("dev1", KeyA, KeyB);
        hub.Identities.Create("x509", new IdentityAuthentication(AuthenticationType.SelfSigned));

        var known = await hub.ExpectRefusedAsync("dev1", token);
        var unknown = await hub.ExpectRefusedAsync("nobody", token);
        var otherType = await hub.ExpectRefusedAsync("x509", token);

        Assert.Equal(known with { Detail = null }, unknown with { Detail = null });
        Assert.Equal(known with { Detail = null }, otherType with { Detail = null });
        Assert.Equal(HubFailures.Unauthorized, known with { Detail = null });
    }

    [Fact]
    public async Task A_refusal_tells_the_operator_what_was_signed_and_no_secret()
    {
        using var hub = await CreateAsync();
        hub.Identities.CreateWithKeys("dev1", KeyA, KeyB);

        var failure = await hub.ExpectRefusedAsync("dev1", hub.Token(Host + "/devices/dev\n2", KeyC));

        Assert.Equal(
            @"signature mismatch: the token signs 'hub.nave.test/devices/dev\u000a2', "
            + "expected one of hub.nave.test/devices/dev1, 127.0.0.1/devices/dev1, signed with either key of 'dev1'",
            failure.Detail);
    }

    [Fact]
    [Conformance("security", 11)]
    public async Task A_disabled_device_and_its_modules_are_refused_whatever_they_present()
    {
        using var hub = await CreateAsync();
        hub.Identities.CreateWithKeys("dev1", KeyA, KeyB);
        hub.Identities.CreateWithKeys("dev1/mod1", KeyC, KeyC);
        var live = await hub.ExpectAdmittedAsync("dev1/mod1", hub.Token(Host + "/devices/dev1/modules/mod1", KeyC));

        hub.Identities.Change(Id("dev1"), device => device with { IsEnabled = false });

        var byKey = await hub.ExpectRefusedAsync("dev1", hub.Token(Host + "/devices/dev1", KeyA));
        var byPolicy = await hub.ExpectRefusedAsync("dev1", hub.PolicyToken("device"));
        await hub.ExpectRefusedAsync("dev1/mod1", hub.Token(Host + "/devices/dev1/modules/mod1", KeyC));
        Assert.Equal(HubErrorCode.DeviceDisabled, byKey.Code);
        Assert.Equal(HubErrorCode.DeviceDisabled, byPolicy.Code);
        Assert.Equal(HubFailures.Unauthorized.Message, byKey.Message);
        Assert.Equal(CloseReason.IdentityDisabled, await hub.Access.FindRevocationAsync(live, default));
    }

    [Fact]
    [Conformance("security", 12)]
    public async Task A_device_created_again_is_another_one()
    {
        using var hub = await CreateAsync();
        var first = hub.Identities.CreateWithKeys("dev1", KeyA, KeyB);
        var live = await hub.ExpectAdmittedAsync("dev1", hub.Token(Host + "/devices/dev1", KeyA));

        hub.Identities.Delete(Id("dev1"));
        var second = hub.Identities.CreateWithKeys("dev1", KeyC, KeyC);

        Assert.Equal(CloseReason.IdentityDeleted, await hub.Access.FindRevocationAsync(live, default));
        await hub.ExpectRefusedAsync("dev1", hub.Token(Host + "/devices/dev1", KeyA));
        var grant = await hub.ExpectAdmittedAsync("dev1", hub.Token(Host + "/devices/dev1", KeyC));
        Assert.Equal(first.GenerationId, live.GenerationId);
        Assert.Equal(second.GenerationId, grant.GenerationId);
    }

    [Theory]
    [Conformance("security", 17)]
    [InlineData(nameof(AuthenticationType.SelfSigned))]
    [InlineData(nameof(AuthenticationType.CertificateAuthority))]
    [InlineData(nameof(AuthenticationType.None))]
    public async Task A_token_does_not_admit_an_identity_of_another_type_even_with_the_right_key(string type)
    {
        using var hub = await CreateAsync();
        hub.Identities.Create("dev1", new IdentityAuthentication(Enum.Parse<AuthenticationType>(type)) { PrimaryKey = KeyA, SecondaryKey = KeyB });

        await hub.ExpectRefusedAsync("dev1", hub.Token(Host + "/devices/dev1", KeyA));
    }

    [Fact]
    [Conformance("security", 20)]
    public async Task The_grant_says_what_is_stamped_on_events()
    {
        using var hub = await CreateAsync();
        var device = hub.Identities.CreateWithKeys("dev1", KeyA, KeyB);

        var byKey = await hub.ExpectAdmittedAsync("dev1", hub.Token(Host + "/devices/dev1", KeyA));
        var byPolicy = await hub.ExpectAdmittedAsync("dev1", hub.PolicyToken("device"));

        Assert.Equal("""{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}""", byKey.AuthMethod);
        Assert.Equal("""{"scope":"hub","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}""", byPolicy.AuthMethod);
        Assert.Equal(device.GenerationId, byPolicy.GenerationId);
        Assert.DoesNotContain(KeyA, byKey.ToString());
    }

    [Fact]
    public async Task An_address_with_too_many_failures_is_not_looked_at_until_it_has_waited()
    {
        using var hub = await CreateAsync(new AccessOptions { MaxFailuresPerAddress = 60 });
        hub.Identities.CreateWithKeys("dev1", KeyA, KeyB);
        var good = hub.Token(Host + "/devices/dev1", KeyA);
        for (var i = 0; i < 60; i++)
        {
            await hub.ExpectRefusedAsync("dev1", "nonsense");
        }

        var lookups = hub.Identities.Lookups;
        var refused = await hub.AdmitAsync("dev1", good);
        var bearer = await hub.AdmitBearerAsync(good);
        var fromElsewhere = await hub.AdmitAsync("dev1", good, System.Net.IPAddress.Parse("192.0.2.8"));

        Assert.Equal(HubErrorCode.ThrottlingException, refused.Failure?.Code);
        Assert.Equal(HubErrorCode.ThrottlingException, bearer.Failure?.Code);
        Assert.Equal(ConnackCode.ServerUnavailable, refused.Failure?.Connack);
        Assert.NotNull(fromElsewhere.Value);
        Assert.Equal(lookups + 1, hub.Identities.Lookups);

        hub.Time.Advance(TimeSpan.FromSeconds(2));
        Assert.NotNull((await hub.AdmitAsync("dev1", good)).Value);
    }

    [Fact]
    public async Task A_registry_that_is_away_is_nobodys_fault_who_connects()
    {
        using var hub = await CreateAsync(new AccessOptions { MaxFailuresPerAddress = 1 });
        hub.Identities.CreateWithKeys("dev1", KeyA, KeyB);
        var token = hub.Token(Host + "/devices/dev1", KeyA);
        hub.Identities.Failure = new IOException("away");

        var device = await hub.AdmitAsync("dev1", token);
        var bearer = await hub.AdmitBearerAsync(token);
        hub.Identities.Failure = null;

        Assert.Equal(HubErrorCode.ServiceUnavailable, device.Failure?.Code);
        Assert.Equal(HubErrorCode.ServiceUnavailable, bearer.Failure?.Code);
        Assert.Equal(ConnackCode.ServerUnavailable, device.Failure?.Connack);
        Assert.NotNull(await hub.ExpectAdmittedAsync("dev1", token));
    }

    private static string Sign(string sr, string key)
    {
        var mac = System.Security.Cryptography.HMACSHA256.HashData(
            Convert.FromBase64String(key), System.Text.Encoding.UTF8.GetBytes(sr + "\n1893456000"));
        return $"SharedAccessSignature sr={sr}&sig={Uri.EscapeDataString(Convert.ToBase64String(mac))}&se=1893456000";
    }
}
