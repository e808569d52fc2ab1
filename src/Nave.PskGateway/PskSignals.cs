using System.Net;
using System.Text;
using Microsoft.Extensions.Logging;
using Nave.PskGateway.Keys;
using Nave.PskGateway.Mqtt;
using Nave.PskGateway.Tls;
using Nave.Storage.Audit;

namespace Nave.PskGateway;

/// <summary>
/// What the gateway tells its operator: the audit trail and the log. A stranger causes lines at Debug only; text that he
/// chose is cut and escaped; no key is ever in it.
/// </summary>
internal sealed partial class PskSignals(AuditTrail audit, ILogger<PskSignals> logger)
{
    private const int LongestText = 128;

    public void Connected(PskOwner owner, IPEndPoint from, HandshakeResult handshake)
    {
        audit.Write("authenticated", json =>
        {
            json.WriteString("check", "psk");
            json.WriteString("identity", owner.Identity);
            json.WriteString("key", owner.Slot);
            json.WriteString("deviceId", owner.Device.Value);
            json.WriteString("address", from.Address.ToString());
            json.WriteString("tls", handshake.Protocol);
        });
        Log.Connected(logger, owner.Identity, owner.Device.Value, from, handshake.Protocol);
    }

    public void Refused(IPEndPoint from, HandshakeResult handshake)
    {
        var identity = handshake.Identity is { } bytes ? Show(bytes.Span) : null;
        if (identity is not null || handshake.Alert is not null)
        {
            audit.Refused(new AuditRefusal("psk", identity, from.Address.ToString(), $"{handshake.Problem}{(handshake.Alert is { } alert ? $" (alert {alert})" : "")}"));
        }

        Log.Refused(logger, from, identity ?? "nobody", handshake.Problem, handshake.Alert);
    }

    public void TooMany(IPEndPoint from, string problem) => Log.TooMany(logger, from, problem);

    public void Ended(PskOwner owner, IPEndPoint from, DeviceEnding ending, string? detail)
    {
        if (ending is DeviceEnding.NotAllowed or DeviceEnding.KeyRevoked)
        {
            audit.Refused(new AuditRefusal("device", owner.Identity, from.Address.ToString(), ending is DeviceEnding.NotAllowed ? "the hub does not have the device, or has it disabled" : "its key was revoked"));
        }

        Log.Ended(logger, owner.Device.Value, from, ending, detail ?? "");
    }

    public void Unmapped(PskOwner owner, ReadOnlySpan<byte> topic)
    {
        if (logger.IsEnabled(LogLevel.Debug))
        {
            Log.Unmapped(logger, owner.Device.Value, Show(topic));
        }
    }

    public void Failed(IPEndPoint from, Exception exception) => Log.Failed(logger, exception, from);

    public void StoreFailed(Exception exception) => Log.StoreFailed(logger, exception.Message);

    public void KeysChanged(int count) => Log.KeysChanged(logger, count);

    private static string Show(ReadOnlySpan<byte> text)
    {
        var shown = new StringBuilder();
        foreach (var rune in Encoding.UTF8.GetString(text[..Math.Min(text.Length, LongestText)]).EnumerateRunes())
        {
            shown.Append(Rune.IsControl(rune) || rune.Value is 0x2028 or 0x2029 ? $"\\u{rune.Value:X4}" : rune.ToString());
        }

        return text.Length > LongestText ? shown.Append('…').ToString() : shown.ToString();
    }

    private static partial class Log
    {
        [LoggerMessage(9201, LogLevel.Debug, "'{Identity}' has proven its key for {DeviceId} from {Peer}: {Protocol}")]
        public static partial void Connected(ILogger logger, string identity, string deviceId, IPEndPoint peer, string? protocol);

        [LoggerMessage(9202, LogLevel.Debug, "A handshake from {Peer} as '{Identity}' was refused: {Problem} (alert {Alert})")]
        public static partial void Refused(ILogger logger, IPEndPoint peer, string identity, string? problem, short? alert);

        [LoggerMessage(9203, LogLevel.Debug, "A connection from {Peer} was closed at once: {Problem}")]
        public static partial void TooMany(ILogger logger, IPEndPoint peer, string problem);

        [LoggerMessage(9204, LogLevel.Debug, "The connection of {DeviceId} from {Peer} ended: {Reason}. {Detail}")]
        public static partial void Ended(ILogger logger, string deviceId, IPEndPoint peer, DeviceEnding reason, string detail);

        [LoggerMessage(9205, LogLevel.Debug, "{DeviceId} used the topic '{Topic}', which is neither the hub's nor in the table")]
        public static partial void Unmapped(ILogger logger, string deviceId, string topic);

        [LoggerMessage(9206, LogLevel.Error, "A connection from {Peer} failed by our own fault")]
        public static partial void Failed(ILogger logger, Exception exception, IPEndPoint peer);

        [LoggerMessage(9207, LogLevel.Warning, "The key store cannot be used, and the keys stay as they were: {Problem}")]
        public static partial void StoreFailed(ILogger logger, string problem);

        [LoggerMessage(9208, LogLevel.Information, "The key store has changed: {Count} keys")]
        public static partial void KeysChanged(ILogger logger, int count);
    }
}
