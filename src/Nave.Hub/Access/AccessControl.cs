using System.Net;
using System.Security.Cryptography.X509Certificates;
using Nave.Hub.Devices;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Access;

/// <summary>Who you are and what you may (spec/security.md). The only place that judges credentials.</summary>
internal sealed class AccessControl
{
    /// <summary>
    /// Admits a device or module by what it presents: a token signed with its own key or with a policy that has
    /// DeviceConnect, or a client certificate. A token decides when both are present (spec/security.md 6.1).
    /// The failure's message is the same for an unknown identity and a bad signature; its detail tells the operator.
    /// </summary>
    public ValueTask<Outcome<AccessGrant>> AdmitDeviceAsync(IdentityId id, DeviceProof proof, CancellationToken stopping) =>
        throw new NotImplementedException();

    /// <summary>
    /// Admits the bearer of a token whoever it is (HTTP Authorization, AMQP put-token, SASL PLAIN): a policy, a device or
    /// a module, told apart by the token's resource and <c>skn</c>. What it may do is asked later with <see cref="Allows"/>.
    /// </summary>
    /// <param name="token">The SAS token's text.</param>
    /// <param name="eventHubsSigning">Whether a policy signature over the key's text is accepted too (spec/events-endpoint.md 2).</param>
    /// <param name="peer">For the limit on failures per address.</param>
    /// <param name="stopping">Stops the look-up.</param>
    public ValueTask<Outcome<AccessGrant>> AdmitTokenAsync(string token, bool eventHubsSigning, IPAddress? peer, CancellationToken stopping) =>
        throw new NotImplementedException();

    /// <summary>Whether the grant has the right and its scope covers the path (<c>/devices/x</c>, <c>/messages/events</c>); null when it may.</summary>
    public HubFailure? Allows(AccessGrant grant, AccessRights right, string path) => throw new NotImplementedException();

    /// <summary>Why an admitted credential no longer stands, judged by the identities, policies and authorities as they are now; null when it does.</summary>
    public ValueTask<CloseReason?> FindRevocationAsync(AccessGrant grant, CancellationToken stopping) => throw new NotImplementedException();
}

/// <summary>What a device presents to be admitted.</summary>
/// <param name="Token">A SAS token, or null.</param>
/// <param name="Certificate">The TLS client certificate, or null.</param>
/// <param name="Chain">The other certificates that the client sent.</param>
/// <param name="Peer">For the limit on failures per address.</param>
internal readonly record struct DeviceProof(
    string? Token, X509Certificate2? Certificate, X509Certificate2Collection? Chain, IPAddress? Peer);
