using System.Net;
using Microsoft.Extensions.Logging;
using Nave.Hub.Devices;
using Nave.Hub.Monitoring;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>
/// What the head tells the operator: one method for each thing worth telling (spec/device-mqtt.md 12). What strangers and
/// devices do is Debug, whatever it is. Any thread may call.
/// </summary>
internal sealed partial class MqttSignals(ILogger<MqttSignals> logger, HubMetrics metrics, TimeProvider time)
{
    // Text that a stranger chose is shown up to here.
    private const int MaxShownLength = 64;

    /// <summary>
    /// Raised when a CONNECT was refused before any credential was judged: from where, with which client id, why. Handlers
    /// return at once and do not throw.
    /// </summary>
    public event Action<IPAddress?, string?, HubFailure>? Unreadable;

    /// <summary>A device is connected.</summary>
    public void Connected(MqttPeer peer, IdentityId id, bool sessionPresent) =>
        Log.Connected(logger, id.ToString(), peer.Protocol, peer.ConnectionId, sessionPresent);

    /// <summary>A CONNECT was refused, or none came.</summary>
    /// <param name="isUnjudged">Whether it was before any credential was looked at.</param>
    public void ConnectRefused(MqttPeer peer, string? clientId, CloseReason reason, HubFailure? failure, bool isUnjudged)
    {
        metrics.Refused(NameOf(failure, reason));
        if (failure is not null && isUnjudged)
        {
            Unreadable?.Invoke(peer.Address, clientId, failure);
        }

        if (logger.IsEnabled(LogLevel.Debug))
        {
            var shown = clientId is null ? "?" : clientId.Length <= MaxShownLength ? clientId : clientId[..MaxShownLength];
            Log.ConnectRefused(
                logger, peer.ConnectionId, shown, reason, failure?.Code ?? MqttEnding.Of(reason).Code, failure?.Detail ?? failure?.Message ?? "");
        }
    }

    /// <summary>A message or a subscription was refused, and the connection ends.</summary>
    public void Refused(MqttPeer peer, IdentityId id, HubFailure failure)
    {
        metrics.Refused(failure.Code.ToString());
        if (logger.IsEnabled(LogLevel.Debug))
        {
            Log.Refused(logger, id.ToString(), peer.ConnectionId, failure.Code, failure.Detail ?? failure.Message);
        }
    }

    /// <summary>The peer broke a rule of MQTT, and the connection ends.</summary>
    public void Malformed(MqttPeer peer, string rule) => Log.Malformed(logger, peer.ConnectionId, rule);

    /// <summary>A connected device is no longer.</summary>
    public void Closed(MqttPeer peer, IdentityId id, CloseReason reason)
    {
        metrics.SessionClosed(reason);
        if (logger.IsEnabled(LogLevel.Debug))
        {
            Log.Closed(logger, id.ToString(), peer.ConnectionId, reason, MqttEnding.Of(reason).Code);
        }
    }

    /// <summary>A will could not be taken into the log.</summary>
    public void WillLost(IdentityId id, HubFailure? failure) => Log.WillLost(logger, id.ToString(), failure?.Code);

    /// <summary>We broke a promise.</summary>
    public void Failed(MqttPeer peer, Exception exception) => Log.Failed(logger, peer.ConnectionId, exception);

    /// <summary>Messages were acknowledged in one go, the oldest of them received at that timestamp.</summary>
    public void Acknowledged(int count, long receivedAt)
    {
        // The append is part of the read that brought the message: one measurement stands for both.
        var waited = time.GetElapsedTime(receivedAt);
        metrics.Acknowledged(count, waited, waited);
    }

    private static string NameOf(HubFailure? failure, CloseReason reason) =>
        (failure?.Code ?? MqttEnding.Of(reason).Code)?.ToString() ?? reason.ToString();

    private static partial class Log
    {
        [LoggerMessage(2101, LogLevel.Debug, "{DeviceId}: connected over {Protocol} ({ConnectionId}), session present: {SessionPresent}")]
        public static partial void Connected(ILogger logger, string deviceId, DeviceProtocol protocol, string connectionId, bool sessionPresent);

        [LoggerMessage(2102, LogLevel.Debug, "Connection {ConnectionId} as {ClientId} refused: {Reason}, {ErrorCode}. {Detail}")]
        public static partial void ConnectRefused(
            ILogger logger, string connectionId, string clientId, CloseReason reason, HubErrorCode? errorCode, string detail);

        [LoggerMessage(2103, LogLevel.Debug, "{DeviceId}: refused on {ConnectionId}: {ErrorCode}. {Detail}")]
        public static partial void Refused(ILogger logger, string deviceId, string connectionId, HubErrorCode errorCode, string detail);

        [LoggerMessage(2104, LogLevel.Debug, "Connection {ConnectionId} broke rule {Rule}")]
        public static partial void Malformed(ILogger logger, string connectionId, string rule);

        [LoggerMessage(2105, LogLevel.Debug, "{DeviceId}: connection {ConnectionId} ended: {Reason}, {ErrorCode}")]
        public static partial void Closed(ILogger logger, string deviceId, string connectionId, CloseReason reason, HubErrorCode? errorCode);

        [LoggerMessage(2106, LogLevel.Debug, "{DeviceId}: the will was not taken: {ErrorCode}")]
        public static partial void WillLost(ILogger logger, string deviceId, HubErrorCode? errorCode);

        [LoggerMessage(2107, LogLevel.Error, "Connection {ConnectionId} failed")]
        public static partial void Failed(ILogger logger, string connectionId, Exception exception);
    }
}
