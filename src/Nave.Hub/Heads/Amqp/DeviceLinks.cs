using Microsoft.Extensions.Logging;
using Nave.Hub.Access;
using Nave.Hub.Commands;
using Nave.Hub.Devices;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// Takes the links of devices and modules (spec/device-amqp.md 4): finds out who is meant and by what right, opens the
/// identity's session on the connection at its first link, and accepts. The connection reads on when that is decided.
/// </summary>
internal sealed partial class DeviceLinks(
    DeviceSessions sessions, AccessControl access, CommandOptions commands, TimeProvider time, ILogger<DeviceLinks> logger)
    : ILinkFamily, ILinkHandler
{
    /// <inheritdoc/>
    public IEnumerable<LinkTemplate> Templates => [new LinkTemplate("devices/**", this)];

    /// <inheritdoc/>
    public void Attach(LinkRequest request)
    {
        if (DeviceAddress.TryRead(request.Address!, request.PeerSends) is { } address)
        {
            request.Connection.PauseReading(DecideAsync(request, address));
        }
        else
        {
            // Strangers learn nothing of what there is and what not.
            request.Refuse(request.Connection.Grants.IsEmpty && request.Connection.Peer.Certificate is null
                ? HubFailures.Unauthorized
                : HubFailures.AddressNotFound.Saying($"The messaging entity '{request.Address}' could not be found."));
        }
    }

    private async Task DecideAsync(LinkRequest request, DeviceAddress address)
    {
        var devices = request.Connection.Devices;
        try
        {
            var outcome = await FindDeviceAsync(request, address, devices);
            if (!outcome.TryGet(out var device, out var failure))
            {
                Log.Refused(logger, request.Connection.Peer.ConnectionId, failure.Code, failure.Detail);
                request.Refuse(failure);
            }
            else
            {
                await AcceptAsync(request, address.Kind, device);
            }
        }
        catch (Exception e) when (AmqpConnection.IsEngineClosed(e) || e is OperationCanceledException)
        {
            // The connection has ended meanwhile, or the database takes nothing: refused if there is still somebody.
            request.TryRefuse(HubFailures.Unavailable);
        }
        catch (Exception e)
        {
            Log.AttachFailed(logger, e, request.Connection.Peer.ConnectionId);
            request.TryRefuse(HubFailures.ServerError);
        }
    }

    private async ValueTask AcceptAsync(LinkRequest request, DeviceLinkKind kind, ConnectedDevice device)
    {
        switch (kind)
        {
            case DeviceLinkKind.Telemetry:
                new TelemetryLink(request, device, request.Connection.Devices).Accept();
                break;
            case DeviceLinkKind.Commands:
                new CommandsLink(request, device, commands.LockDuration, logger).Accept();
                break;
            case DeviceLinkKind.Methods:
                await device.Methods.AttachAsync(request);
                break;
            case DeviceLinkKind.Twin:
                device.Twin.Attach(request);
                break;
            case DeviceLinkKind.Inputs:
                new InputsLink(request, device, logger).Accept();
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(kind));
        }
    }

    private async ValueTask<Outcome<ConnectedDevice>> FindDeviceAsync(LinkRequest request, DeviceAddress address, ConnectionDevices devices)
    {
        // Whoever has a session here stands on a grant that is watched.
        foreach (var id in address.Candidates)
        {
            if (devices.Find(id) is { } known)
            {
                return known;
            }
        }

        HubFailure? first = null;
        foreach (var id in address.Candidates)
        {
            var outcome = await AdmitAsync(request.Connection, id, devices.Closed);
            if (outcome.TryGet(out var grant, out var failure))
            {
                return await OpenAsync(request, grant, devices);
            }

            first ??= failure;
        }

        return first!;
    }

    /// <summary>By a token or SASL, for this identity or a policy that covers it; else by the TLS client certificate.</summary>
    private async ValueTask<Outcome<AccessGrant>> AdmitAsync(AmqpConnection connection, IdentityId id, CancellationToken stopping)
    {
        if (connection.Grants.Find(AccessRights.DeviceConnect, id.ToPath() + "/messages/events") is { } grant)
        {
            return grant.Identity == id ? grant : await access.ActAsAsync(grant, id, stopping);
        }

        if (connection.Peer.Certificate is not { } certificate)
        {
            return HubFailures.Unauthorized.Because("Nothing that was proven on the connection covers the link's address.");
        }

        var admitted = await access.AdmitDeviceAsync(id, new DeviceProof(Token: null, certificate, Chain: null, connection.Peer.Address) { Protocol = DeviceProtocol.Amqp }, stopping);
        if (admitted.Value is { } byCertificate && connection.Grants.Add(byCertificate) is { } tooMany)
        {
            return tooMany;
        }

        return admitted;
    }

    private async ValueTask<Outcome<ConnectedDevice>> OpenAsync(LinkRequest request, AccessGrant grant, ConnectionDevices devices)
    {
        if (sessions.TryConnect(grant.Identity!.Value, request.Connection.Peer.Address) is { } throttled)
        {
            return throttled;
        }

        var device = new ConnectedDevice(grant.Identity.Value, devices, time, logger);
        var protocol = request.Connection.Peer.IsWebSocket ? DeviceProtocol.AmqpWs : DeviceProtocol.Amqp;
        var model = request.Property("com.microsoft:model-id") as string;
        var (session, refused) = await sessions.OpenAsync(new SessionRequest(grant, protocol, device, model), devices.Closed);
        if (session is null)
        {
            return HubFailures.Unauthorized.Because($"The credential no longer stands: {refused}.");
        }

        return await device.OpenedAsync(session) is { } ended ? ConnectedDevice.ToFailure(ended) : device;
    }

    private static partial class Log
    {
        [LoggerMessage(2230, LogLevel.Debug, "AMQP connection {ConnectionId}: device link refused, {ErrorCode}: {Detail}")]
        public static partial void Refused(ILogger logger, string connectionId, HubErrorCode errorCode, string? detail);

        [LoggerMessage(2231, LogLevel.Error, "A device link of AMQP connection {ConnectionId} could not be attached")]
        public static partial void AttachFailed(ILogger logger, Exception exception, string connectionId);
    }
}
