using System.Security.Cryptography;
using Nave.Hub.Devices;
using Nave.Protocol.Identities;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Amqp;

/// <summary>Devices that prove themselves by the TLS client certificate, without <c>$cbs</c> (spec/device-amqp.md 3.5).</summary>
public sealed class AmqpCertificateTests
{
    [Fact]
    [Conformance("device-amqp", 23)]
    public async Task The_devices_own_certificate_attaches_without_a_token_and_another_does_not()
    {
        await using var hub = await DeviceHub.StartAsync();
        using var right = TestCertificates.CreateSelfSigned("dev-1");
        using var wrong = TestCertificates.CreateSelfSigned("dev-1");
        var draft = new IdentityDraft(new IdentityId(DeviceId.Parse("dev-1")))
        {
            Authentication = new AuthenticationDraft { Type = "selfSigned", PrimaryThumbprint = right.GetCertHashString(HashAlgorithmName.SHA256) },
        };
        Assert.NotNull((await hub.Get<DeviceRegistry>().CreateAsync(draft, TestContext.Current.CancellationToken)).Value);
        await hub.CreateAsync("dev-2");

        await using (var client = await AmqpDeviceClient.ConnectTlsAsync(hub, right))
        {
            Assert.Null(await (await client.SenderAsync("/devices/dev-1/messages/events")).SendAsync("hello"));
            Assert.Equal("amqp:unauthorized-access", await (await client.SenderAsync("/devices/dev-2/messages/events")).ClosedAsync());
        }

        await using var other = await AmqpDeviceClient.ConnectTlsAsync(hub, wrong);
        Assert.Equal("amqp:unauthorized-access", await (await other.SenderAsync("/devices/dev-1/messages/events")).ClosedAsync());

        await using var reader = await AmqpDeviceClient.ConnectPolicyAsync(hub, "service");
        var received = await (await reader.EventsAsync()).NextAsync();
        Assert.Contains("x509Certificate", Assert.IsType<string>(received.Annotation("iothub-connection-auth-method")), StringComparison.Ordinal);
    }
}
