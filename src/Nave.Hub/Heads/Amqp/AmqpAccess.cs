using System.Net;
using Nave.Hub.Access;
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

    /// <summary>Watches until disposed of.</summary>
    IDisposable Watch(ILiveAccess live);
}

/// <summary>The hub's own.</summary>
internal sealed class AmqpAccess(AccessControl access, LiveAccessTable table) : IAmqpAccess
{
    public ValueTask<Outcome<AccessGrant>> AdmitTokenAsync(string token, IPAddress? peer, CancellationToken stopping) =>
        access.AdmitTokenAsync(token, eventHubsSigning: true, peer, stopping);

    public ValueTask<Outcome<AccessGrant>> AdmitDeviceAsync(IdentityId id, string token, IPAddress? peer, CancellationToken stopping) =>
        access.AdmitDeviceAsync(id, new DeviceProof(token, Certificate: null, Chain: null, peer), stopping);

    public Outcome<AccessGrant> AdmitPolicyKey(string policy, string key, IPAddress? peer) => access.AdmitPolicyKey(policy, key, peer);

    public HubFailure? Allows(AccessGrant grant, AccessRights right, string path) => access.Allows(grant, right, path);

    public IDisposable Watch(ILiveAccess live) => table.Watch(live);
}
