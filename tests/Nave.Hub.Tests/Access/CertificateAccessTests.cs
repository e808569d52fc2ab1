using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Nave.Hub.Access;
using Nave.Hub.Devices;
using Nave.Protocol.Errors;
using Nave.Tests;
using static Nave.Hub.Tests.Access.AccessHarness;

namespace Nave.Hub.Tests.Access;

public sealed class CertificateAccessTests
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    [Theory]
    [Conformance("security", 14, 15)]
    [InlineData("SHA256", false, "")]
    [InlineData("SHA1", false, "")]
    [InlineData("SHA256", true, "lower")]
    [InlineData("SHA1", true, "colons")]
    [InlineData("SHA1", false, "spaces")]
    public async Task Either_thumbprint_in_either_length_and_any_form_matches(string hash, bool isSecondary, string form)
    {
        using var hub = await CreateAsync();
        using var certificate = TestCertificates.CreateSelfSigned("anything");
        var print = certificate.GetCertHashString(new HashAlgorithmName(hash));
        print = form switch
        {
            "lower" => print.ToLowerInvariant(),
            "colons" => string.Join(':', print.Chunk(2).Select(pair => new string(pair))),
            "spaces" => string.Join(' ', print.Chunk(2).Select(pair => new string(pair))),
            _ => print,
        };
        var authentication = new IdentityAuthentication(AuthenticationType.SelfSigned);
        hub.Identities.Create("dev1", isSecondary ? authentication with { SecondaryThumbprint = print } : authentication with { PrimaryThumbprint = print });

        var grant = await ExpectAsync(hub, "dev1", certificate);

        Assert.Equal("""{"scope":"device","type":"x509Certificate","issuer":"external","acceptingIpFilterRule":null}""", grant.AuthMethod);
        Assert.Equal(DateTimeOffset.MaxValue, grant.ExpiresAt);
        Assert.Null(await hub.Access.FindRevocationAsync(grant, default));
    }

    [Fact]
    [Conformance("security", 14)]
    public async Task A_wrong_certificate_is_unauthorized_and_the_operator_sees_both_thumbprints()
    {
        using var hub = await CreateAsync();
        using var right = TestCertificates.CreateSelfSigned("dev1");
        using var wrong = TestCertificates.CreateSelfSigned("dev1");
        CreateSelfSigned(hub, "dev1", right);
        hub.Identities.Create("empty", new IdentityAuthentication(AuthenticationType.SelfSigned));

        var failure = await ExpectRefusedAsync(hub, "dev1", wrong);
        await ExpectRefusedAsync(hub, "empty", wrong);
        var unknown = await ExpectRefusedAsync(hub, "nobody", right);

        Assert.Contains(wrong.GetCertHashString(HashAlgorithmName.SHA1), failure.Detail);
        Assert.Contains(wrong.GetCertHashString(HashAlgorithmName.SHA256), failure.Detail);
        Assert.Equal(unknown with { Detail = null }, failure with { Detail = null });
    }

    [Fact]
    public async Task A_self_signed_certificate_outside_its_validity_is_refused_unless_allowed()
    {
        using var strict = await CreateAsync();
        using var lenient = await CreateAsync(new AccessOptions { AllowExpiredCertificates = true });
        using var late = TestCertificates.CreateSelfSigned("dev1", to: strict.Time.GetUtcNow().AddSeconds(-1));
        using var early = TestCertificates.CreateSelfSigned("dev1", from: strict.Time.GetUtcNow().AddMinutes(1));
        foreach (var hub in new[] { strict, lenient })
        {
            CreateSelfSigned(hub, "late", late);
            CreateSelfSigned(hub, "early", early);
        }

        Assert.Contains("Access:AllowExpiredCertificates", (await ExpectRefusedAsync(strict, "late", late)).Detail);
        await ExpectRefusedAsync(strict, "early", early);
        await ExpectAsync(lenient, "late", late);
        await ExpectAsync(lenient, "early", early);
    }

    [Fact]
    [Conformance("security", 17)]
    public async Task A_certificate_does_not_admit_an_identity_with_keys()
    {
        using var hub = await CreateAsync();
        using var certificate = TestCertificates.CreateSelfSigned("dev1");
        hub.Identities.Create("dev1", new IdentityAuthentication(AuthenticationType.Sas)
        {
            PrimaryKey = KeyA,
            SecondaryKey = KeyB,
            PrimaryThumbprint = certificate.Thumbprint,
        });

        var failure = await ExpectRefusedAsync(hub, "dev1", certificate);

        Assert.Contains("authenticates by Sas", failure.Detail);
    }

    [Fact]
    public async Task The_token_decides_when_both_are_presented()
    {
        using var hub = await CreateAsync();
        using var certificate = TestCertificates.CreateSelfSigned("dev1");
        CreateSelfSigned(hub, "dev1", certificate);
        hub.Identities.CreateWithKeys("dev2", KeyA, KeyB);

        var both = await hub.Access.AdmitDeviceAsync(Id("dev2"), new DeviceProof(hub.Token(Host + "/devices/dev2", KeyA), certificate, null, Peer), default);
        var badToken = await hub.Access.AdmitDeviceAsync(Id("dev1"), new DeviceProof("nonsense", certificate, null, Peer), default);
        var emptyToken = await hub.Access.AdmitDeviceAsync(Id("dev1"), new DeviceProof("", certificate, null, Peer), default);

        Assert.Equal(CredentialKind.DeviceKey, both.Value?.Kind);
        Assert.Null(badToken.Value);
        Assert.Equal(CredentialKind.Thumbprint, emptyToken.Value?.Kind);
    }

    [Fact]
    [Conformance("security", 11)]
    public async Task A_disabled_device_is_refused_and_replacing_the_thumbprint_in_use_ends_the_grant()
    {
        using var hub = await CreateAsync();
        using var certificate = TestCertificates.CreateSelfSigned("dev1");
        using var other = TestCertificates.CreateSelfSigned("dev1");
        CreateSelfSigned(hub, "dev1", certificate);
        var grant = await ExpectAsync(hub, "dev1", certificate);

        hub.Identities.Change(Id("dev1"), device => device with { Authentication = device.Authentication with { SecondaryThumbprint = other.Thumbprint } });
        Assert.Null(await hub.Access.FindRevocationAsync(grant, default));
        hub.Identities.Change(Id("dev1"), device => device with { Authentication = device.Authentication with { PrimaryThumbprint = null } });
        Assert.Equal(CloseReason.CredentialRevoked, await hub.Access.FindRevocationAsync(grant, default));
        hub.Identities.Change(Id("dev1"), device => device with { IsEnabled = false });

        Assert.Equal(HubErrorCode.DeviceDisabled, (await ExpectRefusedAsync(hub, "dev1", other)).Code);
    }

    [Theory]
    [Conformance("security", 16)]
    [InlineData("Pump-A7", "Pump-A7", true)]
    [InlineData("Pump-A7", "pump-a7", false)]
    [InlineData("Pump-A7", "Pump-A7/mod1", false)]
    [InlineData("Pump-A7/mod1", "Pump-A7/mod1", true)]
    [InlineData("Pump-A7/mod1", "Pump-A7", true)]
    [InlineData("Pump-A7/mod1", "Pump-A7/mod2", false)]
    public async Task A_chain_to_a_verified_authority_admits_the_identity_named_to_the_letter(string id, string commonName, bool isAdmitted)
    {
        using var hub = await CreateAsync();
        using var chain = TestCertificates.CreateClientChain(commonName);
        await UploadAsync(hub, "root", chain.Root);
        hub.Identities.Create(id, new IdentityAuthentication(AuthenticationType.CertificateAuthority));

        var outcome = await AdmitAsync(hub, id, chain.Leaf, chain.Intermediate);

        Assert.Equal(isAdmitted, outcome.Value is not null);
        Assert.Equal(isAdmitted ? """{"scope":"device","type":"x509CertificateAuthority","issuer":"external","acceptingIpFilterRule":null}""" : null, outcome.Value?.AuthMethod);
    }

    [Fact]
    [Conformance("security", 16)]
    public async Task An_intermediate_may_be_the_authority_and_an_unverified_or_foreign_one_is_none()
    {
        using var hub = await CreateAsync();
        using var chain = TestCertificates.CreateClientChain("dev1");
        using var foreign = TestCertificates.CreateClientChain("dev1");
        hub.Identities.Create("dev1", new IdentityAuthentication(AuthenticationType.CertificateAuthority));

        await ExpectRefusedAsync(hub, "dev1", chain.Leaf, chain.Intermediate);
        await UploadAsync(hub, "unverified", chain.Intermediate, isVerified: false);
        await UploadAsync(hub, "other", TestCertificates.CreateAuthority("other"));
        await ExpectRefusedAsync(hub, "dev1", chain.Leaf, chain.Intermediate);
        await hub.Authorities.DeleteAsync("unverified", default);
        await UploadAsync(hub, "intermediate", chain.Intermediate);

        Assert.NotNull((await AdmitAsync(hub, "dev1", chain.Leaf)).Value);
        Assert.NotNull((await AdmitAsync(hub, "dev1", chain.Leaf, chain.Intermediate, chain.Root)).Value);
        await ExpectRefusedAsync(hub, "dev1", foreign.Leaf, foreign.Intermediate, foreign.Root);
    }

    [Fact]
    [Conformance("security", 16)]
    public async Task The_same_names_without_the_authoritys_signature_are_worth_nothing()
    {
        using var hub = await CreateAsync();
        using var chain = TestCertificates.CreateClientChain("dev1");
        using var forged = TestCertificates.CreateClientChain("dev1"); // Same subjects, other keys.
        using var selfSigned = TestCertificates.CreateSelfSigned("dev1");
        hub.Identities.Create("dev1", new IdentityAuthentication(AuthenticationType.CertificateAuthority));
        await UploadAsync(hub, "root", chain.Root);
        await UploadAsync(hub, "intermediate", chain.Intermediate);

        await ExpectRefusedAsync(hub, "dev1", forged.Leaf);
        await ExpectRefusedAsync(hub, "dev1", forged.Leaf, chain.Intermediate);
        await ExpectRefusedAsync(hub, "dev1", forged.Leaf, forged.Intermediate);
        await ExpectRefusedAsync(hub, "dev1", selfSigned);

        Assert.NotNull((await AdmitAsync(hub, "dev1", chain.Leaf, forged.Intermediate)).Value);
    }

    [Fact]
    public async Task A_device_cannot_issue_certificates_for_others()
    {
        using var hub = await CreateAsync();
        using var chain = TestCertificates.CreateClientChain("dev1");
        using var byDevice = TestCertificates.Issue("dev2", chain.Leaf);
        hub.Identities.Create("dev2", new IdentityAuthentication(AuthenticationType.CertificateAuthority));
        await UploadAsync(hub, "root", chain.Root);

        await ExpectRefusedAsync(hub, "dev2", byDevice, chain.Leaf, chain.Intermediate);
    }

    [Fact]
    public async Task Intermediates_that_have_led_to_an_authority_need_not_be_sent_again()
    {
        using var hub = await CreateAsync();
        using var chain = TestCertificates.CreateClientChain("dev1");
        using var foreign = TestCertificates.CreateClientChain("dev1");
        hub.Identities.Create("dev1", new IdentityAuthentication(AuthenticationType.CertificateAuthority));
        await UploadAsync(hub, "root", chain.Root);
        await ExpectRefusedAsync(hub, "dev1", chain.Leaf);
        await ExpectRefusedAsync(hub, "dev1", foreign.Leaf, foreign.Intermediate);

        Assert.NotNull((await AdmitAsync(hub, "dev1", chain.Leaf, chain.Intermediate)).Value);

        // As a resumed TLS session presents itself.
        Assert.NotNull((await AdmitAsync(hub, "dev1", chain.Leaf)).Value);
        await ExpectRefusedAsync(hub, "dev1", foreign.Leaf);
        await hub.Authorities.DeleteAsync("root", default);
        await ExpectRefusedAsync(hub, "dev1", chain.Leaf);
    }

    [Fact]
    public async Task Use_and_validity_of_the_whole_chain_count()
    {
        using var hub = await CreateAsync(new AccessOptions { AllowExpiredCertificates = true });
        using var root = TestCertificates.CreateAuthority("root");
        using var forServers = TestCertificates.Issue("dev1", root, ServerAuthentication);
        using var forClients = TestCertificates.Issue("dev1", root, ClientAuthentication);
        using var late = TestCertificates.Issue("dev1", root, to: hub.Time.GetUtcNow().AddDays(-1));
        hub.Identities.Create("dev1", new IdentityAuthentication(AuthenticationType.CertificateAuthority));
        await UploadAsync(hub, "root", root);

        await ExpectRefusedAsync(hub, "dev1", forServers);
        Assert.NotNull((await AdmitAsync(hub, "dev1", forClients)).Value);
        Assert.Contains("NotTimeValid", (await ExpectRefusedAsync(hub, "dev1", late)).Detail);
    }

    [Fact]
    public async Task Possession_of_an_authoritys_key_is_proven_with_the_code()
    {
        using var hub = await CreateAsync();
        using var chain = TestCertificates.CreateClientChain("dev1");
        using var other = TestCertificates.CreateAuthority("test root");
        hub.Identities.Create("dev1", new IdentityAuthentication(AuthenticationType.CertificateAuthority));
        await UploadAsync(hub, "fleet", chain.Root, isVerified: false);
        var early = await hub.Authorities.VerifyAsync("fleet", Proof("guess", chain.Root), default);
        var code = (await hub.Authorities.RequestCodeAsync("FLEET", default)).Value!.VerificationCode!;

        var wrongCode = await hub.Authorities.VerifyAsync("fleet", Proof("guess", chain.Root), default);
        var wrongKey = await hub.Authorities.VerifyAsync("fleet", Proof(code, other), default);
        var noProof = await hub.Authorities.VerifyAsync("fleet", Encoding.ASCII.GetBytes("nonsense"), default);
        await ExpectRefusedAsync(hub, "dev1", chain.Leaf, chain.Intermediate);
        var verified = await hub.Authorities.VerifyAsync("fleet", Proof(code, chain.Root), default);

        Assert.All([early, wrongCode, wrongKey, noProof], outcome => Assert.Equal(HubErrorCode.ArgumentInvalid, outcome.Failure?.Code));
        Assert.True(verified.Value is { IsVerified: true, VerificationCode: null }, verified.Failure?.Message);
        Assert.NotNull((await AdmitAsync(hub, "dev1", chain.Leaf, chain.Intermediate)).Value);
    }

    [Fact]
    public async Task Deleting_an_authority_ends_what_stands_on_it()
    {
        using var hub = await CreateAsync();
        using var chain = TestCertificates.CreateClientChain("dev1");
        hub.Identities.Create("dev1", new IdentityAuthentication(AuthenticationType.CertificateAuthority));
        await UploadAsync(hub, "root", chain.Root);
        await UploadAsync(hub, "other", TestCertificates.CreateAuthority("other"));
        var grant = (await AdmitAsync(hub, "dev1", chain.Leaf, chain.Intermediate)).Value!;
        var changes = 0;
        hub.Authorities.Changed += () => changes++;

        await hub.Authorities.DeleteAsync("other", default);
        Assert.Null(await hub.Access.FindRevocationAsync(grant, default));
        await hub.Authorities.DeleteAsync("root", default);

        Assert.Equal(CloseReason.CredentialRevoked, await hub.Access.FindRevocationAsync(grant, default));
        Assert.Equal(2, changes);
        Assert.Equal(404, (await hub.Authorities.DeleteAsync("root", default))?.HttpStatus);
    }

    [Fact]
    public async Task What_is_uploaded_must_be_an_authoritys_certificate_and_new()
    {
        using var hub = await CreateAsync();
        using var root = TestCertificates.CreateAuthority("root");
        using var device = TestCertificates.CreateSelfSigned("dev1");
        await UploadAsync(hub, "root", root);

        var refused = new[]
        {
            await hub.Authorities.UploadAsync("x", Encoding.ASCII.GetBytes("nonsense"), true, default),
            await hub.Authorities.UploadAsync("x", Array.Empty<byte>(), true, default),
            await hub.Authorities.UploadAsync("x", device.RawData, true, default),
            await hub.Authorities.UploadAsync("a/b", root.RawData, true, default),
            await hub.Authorities.UploadAsync("ROOT", TestCertificates.CreateAuthority("other").RawData, true, default),
            await hub.Authorities.UploadAsync("again", root.RawData, true, default),
        };

        Assert.All(refused, outcome => Assert.Equal(400, outcome.Failure?.HttpStatus));
        Assert.Equal(["root"], hub.Authorities.All.Select(authority => authority.Name));
    }

    private static byte[] Proof(string code, X509Certificate2 authority) =>
        Encoding.ASCII.GetBytes(TestCertificates.Issue(code, authority).ExportCertificatePem());

    private static void CreateSelfSigned(AccessHarness hub, string id, X509Certificate2 certificate) => hub.Identities.Create(
        id, new IdentityAuthentication(AuthenticationType.SelfSigned) { PrimaryThumbprint = certificate.Thumbprint });

    private static async Task UploadAsync(AccessHarness hub, string name, X509Certificate2 certificate, bool isVerified = true)
    {
        var outcome = await hub.Authorities.UploadAsync(name, Encoding.ASCII.GetBytes(certificate.ExportCertificatePem()), isVerified, default);
        Assert.True(outcome.Value is not null, outcome.Failure?.Message);
    }

    private static async Task<Outcome<AccessGrant>> AdmitAsync(AccessHarness hub, string id, X509Certificate2 leaf, params X509Certificate2[] others) =>
        await hub.Access.AdmitDeviceAsync(Id(id), new DeviceProof(null, leaf, [.. others], Peer), default);

    private static async Task<AccessGrant> ExpectAsync(AccessHarness hub, string id, X509Certificate2 leaf)
    {
        var outcome = await AdmitAsync(hub, id, leaf);
        Assert.True(outcome.Value is not null, outcome.Failure?.Detail);
        return outcome.Value;
    }

    private static async Task<HubFailure> ExpectRefusedAsync(AccessHarness hub, string id, X509Certificate2 leaf, params X509Certificate2[] others)
    {
        var outcome = await AdmitAsync(hub, id, leaf, others);
        Assert.Null(outcome.Value);
        Assert.Equal(ConnackCode.NotAuthorized, outcome.Failure!.Connack);
        Assert.Equal("amqp:unauthorized-access", outcome.Failure.AmqpCondition);
        return outcome.Failure;
    }
}
