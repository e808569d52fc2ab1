using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Hosting;
using Nave.EventLog;
using Nave.Hub.Devices;
using Nave.Hub.Hosting.Certificates;
using Nave.Hub.Hosting.Sockets;
using Nave.Mqtt;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>
/// The MQTT head's door: takes a transport connection, has its CONNECT judged, runs it, and sees to it that its end has
/// the consequences of <see cref="MqttEnding"/>. One instance serves all connections, over TCP and over WebSocket.
/// </summary>
internal sealed class MqttConnectionHandler(
    MqttAccept accept, DeadlineWheel wheel, MqttSignals signals, MqttOptions options, TimeProvider time, IHostApplicationLifetime lifetime)
    : ConnectionHandler
{
    // How long an ended connection may take to be told so, to leave its will or to have its last messages synced.
    private static readonly TimeSpan EndTimeout = TimeSpan.FromSeconds(3);

    /// <inheritdoc/>
    public override Task OnConnectedAsync(ConnectionContext connection)
    {
        var proof = connection.Features.Get<ClientCertificateFeature>();
        var peer = new MqttPeer(
            connection.ConnectionId,
            DeviceProtocol.Mqtt,
            (connection.RemoteEndPoint as IPEndPoint)?.Address,
            proof?.Certificate,
            proof?.Others)
        {
            Reset = SocketReset.Of(connection.Features),
            Socket = connection.Features.Get<SocketConnection>(),
        };
        return ServeAsync(connection.Transport, peer, connection);
    }

    /// <summary>Serves a connection until it is over. The caller closes the transport.</summary>
    /// <param name="pipe">Its bytes.</param>
    /// <param name="peer">Who is there.</param>
    /// <param name="connection">Aborted where the peer does not take what was left to be sent; null where the caller does that.</param>
    /// <returns>False when the peer did not take what was left to be sent: cut it off instead of waiting for it.</returns>
    public async Task<bool> ServeAsync(IDuplexPipe pipe, MqttPeer peer, ConnectionContext? connection = null)
    {
        // One method for the connection's whole life: what waits for ever is kept for every idle connection.
        var transport = Open(pipe, peer);
        try
        {
            if (await AcceptAsync(transport, peer) is { } accepted)
            {
                // Until here it took a handshake and the database; from here on nothing blocks nor takes long.
                peer.Socket?.ResumeOnLoop();
                var served = new MqttConnection(transport, accepted, peer, signals, options, time);
                CloseReason? reason = null;
                try
                {
                    reason = await served.RunAsync();
                }
                catch (Exception e)
                {
                    // A broken promise of ours costs this connection and is told; the next one is served.
                    signals.Failed(peer, e);
                }

                await EndAsync(served, accepted, reason, transport, peer);
            }

            var isTaken = await transport.Writer.CompleteAsync(EndTimeout, time);
            if (!isTaken)
            {
                connection?.Abort(new ConnectionAbortedException("The peer does not take what it is sent."));
            }

            return isTaken;
        }
        finally
        {
            transport.Deadline.Dispose();
        }
    }

    private MqttTransport Open(IDuplexPipe pipe, MqttPeer peer)
    {
        var channel = new MqttChannel(pipe.Input, peer.Reset);
        var writer = new MqttWriter(pipe.Output, channel, options.MaxUnsentBytes);
        return new MqttTransport(pipe.Input, writer, channel, new ConnectionDeadline(wheel, time, channel, options.ConnectTimeout));
    }

    private async ValueTask<MqttAccepted?> AcceptAsync(MqttTransport transport, MqttPeer peer)
    {
        // Who has not connected when the hub begins to stop is not waited for; who comes later is told.
        var stopping = lifetime.ApplicationStopping;
        using var closing = stopping.IsCancellationRequested
            ? default
            : stopping.UnsafeRegister(static channel => ((MqttChannel)channel!).Close(CloseReason.HubStopping), transport.Channel);
        AcceptOutcome outcome;
        try
        {
            outcome = await accept.AcceptAsync(transport, peer, stopping);
        }
        catch (MalformedPacketException e)
        {
            signals.Malformed(peer, e.Rule);
            outcome = new AcceptOutcome(null, CloseReason.ProtocolViolation);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            outcome = new AcceptOutcome(null, transport.Channel.Reason ?? CloseReason.PeerClosed);
        }

        if (outcome.Accepted is null)
        {
            signals.ConnectRefused(peer, outcome.ClientId, outcome.Reason, outcome.Failure, outcome.IsUnjudged);
        }

        return outcome.Accepted;
    }

    private async ValueTask EndAsync(
        MqttConnection served, MqttAccepted accepted, CloseReason? reason, MqttTransport transport, MqttPeer peer)
    {
        try
        {
            if (reason is { } ended)
            {
                transport.Channel.Close(ended);
                using var deadline = new CancellationTokenSource(EndTimeout, time);
                await FinishAsync(served, accepted, ended, deadline.Token);
            }
        }
        catch (Exception e)
        {
            signals.Failed(peer, e);
        }
        finally
        {
            await accepted.Session.EndAsync(reason ?? CloseReason.InternalError);
            signals.Closed(peer, accepted.Session.Id, reason ?? CloseReason.InternalError);
        }
    }

    private async ValueTask FinishAsync(MqttConnection connection, MqttAccepted accepted, CloseReason reason, CancellationToken deadline)
    {
        var ending = MqttEnding.Of(reason);
        try
        {
            await connection.FinishAsync(deadline);
            if (ending.AwaitsAcknowledgements)
            {
                await connection.AwaitAcknowledgementsAsync(deadline);
            }

            if (ending.PublishesWill && accepted.Will is { } will)
            {
                await PublishWillAsync(accepted.Session, will, deadline);
            }
        }
        catch (OperationCanceledException)
        {
            // Too late for it; the device will find out by itself.
        }
    }

    private async ValueTask PublishWillAsync(DeviceSession session, MqttWill will, CancellationToken deadline)
    {
        while (true)
        {
            var result = session.TrySendWill(will.Properties, new ReadOnlySequence<byte>(will.Payload));
            if (result.Outcome is AppendOutcome.Taken)
            {
                return;
            }

            if (result.Outcome is AppendOutcome.Refused)
            {
                signals.WillLost(session.Id, result.Failure);
                return;
            }

            await session.WaitForRoomAsync(deadline);
        }
    }
}
