using Microsoft.Net.Http.Headers;
using Nave.Hub.Access;
using Nave.Hub.Devices;
using Nave.Hub.Faults;

namespace Nave.Hub.Heads.Http;

/// <summary>Answers one request of an admitted device.</summary>
internal delegate ValueTask<ServiceAnswer> DeviceHandler(ServiceCall call, DeviceSession session);

/// <summary>
/// Maps the routes that devices use: each request is admitted by itself, with a token or a client certificate, as the
/// device that its path names, and gets a session that never takes the connection's place (design.md 2).
/// </summary>
internal sealed class DeviceRoutes(ServiceRoutes routes, AccessControl access, DeviceSessions sessions)
{
    /// <summary>Maps a route whose <c>{id}</c>, and <c>{moduleId}</c> where it has one, is the identity to be admitted.</summary>
    public void Map(string verb, string pattern, DeviceHandler handler) =>
        routes.MapChecked(verb, pattern, call => AdmitAsync(call, handler));

    private async ValueTask<ServiceAnswer> AdmitAsync(ServiceCall call, DeviceHandler handler)
    {
        if (!call.TryReadIdentity(out var id, out var failure))
        {
            return failure;
        }

        var context = call.Context;
        var token = context.Request.Headers[HeaderNames.Authorization].ToString();
        var proof = new DeviceProof(
            token.Length == 0 ? null : token,
            await context.Connection.GetClientCertificateAsync(call.Stopping),
            Chain: null,
            context.Connection.RemoteIpAddress)
        {
            Protocol = DeviceProtocol.Https,
        };
        var admitted = await access.AdmitDeviceAsync(id, proof, call.Stopping);
        return admitted.TryGet(out var grant, out failure)
            ? await handler(call, sessions.OpenForRequest(new SessionRequest(grant, DeviceProtocol.Https, new RequestChannel(SocketReset.Of(context.Features)))))
            : failure;
    }

    /// <summary>An HTTP request is never called back, but its connection can be cut.</summary>
    private sealed class RequestChannel(SocketReset reset) : IDeviceChannel
    {
        public void Deliver(Commands.CommandDelivery delivery) => throw new InvalidOperationException("A request is answered, not called.");

        public void InvokeMethod(Methods.MethodInvocation invocation) => throw new InvalidOperationException("A request watches nothing.");

        public void DesiredChanged(Twins.DesiredChange change) => throw new InvalidOperationException("A request watches nothing.");

        public void Close(CloseReason reason)
        {
            // Nothing stays open that could be closed.
        }

        public void Inject(FaultKind fault, string reason)
        {
            if (fault is FaultKind.KillTcp)
            {
                reset.Invoke();
            }
        }
    }
}
