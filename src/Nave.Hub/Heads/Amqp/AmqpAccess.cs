using System.Net;
using System.Security.Cryptography.X509Certificates;
using Nave.Hub.Access;
using Nave.Hub.Devices;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Heads.Amqp;

/// <summary>What the head asks of <c>Access</c>; an interface so that tests of links need no registry.</summary>
internal interface IAmqpAccess
{
    /// <summary>Admits the bearer of a token; policies may have signed by either convention (spec/events-endpoint.md 2).</summary>
    ValueTask<Outcome<AccessGrant>> AdmitTokenAsync(string token, IPAddress? peer, CancellationToken stopping);

    /// <summary>Admits a device or module by a token.</summary>
    ValueTask<Outcome<AccessGrant>> AdmitDeviceAsync(IdentityId id, string token, IPAddress? peer, CancellationToken stopping);

    /// <summary>Admits who shows a policy's key itself.</summary>
    Outcome<AccessGrant> AdmitPolicyKey(string policy, string key, IPAddress? peer);

    /// <summary>Null when the grant has the right and covers the path.</summary>
    HubFailure? Allows(AccessGrant grant, AccessRights right, string path);

    /// <summary>Whether the peer's certificate is that of an enabled identity, which its common name tells (design.md 4).</summary>
    ValueTask<bool> KnowsCertificateAsync(AmqpPeer peer, CancellationToken stopping) => ValueTask.FromResult(false);

    /// <summary>Watches until disposed of.</summary>
    IDisposable Watch(ILiveAccess live);
}

/// <summary>The hub's own.</summary>
internal sealed class AmqpAccess(AccessControl access, LiveAccessTable table) : IAmqpAccess
{
    public ValueTask<Outcome<AccessGrant>> AdmitTokenAsync(string token, IPAddress? peer, CancellationToken stopping) =>
        access.AdmitTokenAsync(token, eventHubsSigning: true, peer, stopping);

    public ValueTask<Outcome<AccessGrant>> AdmitDeviceAsync(IdentityId id, string token, IPAddress? peer, CancellationToken stopping) =>
        access.AdmitDeviceAsync(id, new DeviceProof(token, Certificate: null, Chain: null, peer) { Protocol = DeviceProtocol.Amqp }, stopping);

    public Outcome<AccessGrant> AdmitPolicyKey(string policy, string key, IPAddress? peer) => access.AdmitPolicyKey(policy, key, peer);

    public HubFailure? Allows(AccessGrant grant, AccessRights right, string path) => access.Allows(grant, right, path);

    public async ValueTask<bool> KnowsCertificateAsync(AmqpPeer peer, CancellationToken stopping) =>
        peer.Certificate is { } certificate
        && DeviceId.TryParse(certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false), out var device)
        && (await access.AdmitDeviceAsync(
            new IdentityId(device), new DeviceProof(Token: null, certificate, Chain: null, peer.Address) { Protocol = DeviceProtocol.Amqp }, stopping)).Value is not null;

    public IDisposable Watch(ILiveAccess live) => table.Watch(live);
}
