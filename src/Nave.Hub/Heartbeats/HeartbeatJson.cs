using System.Buffers;
using System.Text.Json;
using System.Text.Json.Nodes;
using Nave.Hub.Devices;

namespace Nave.Hub.Heartbeats;

/// <summary>How the monitor's words are written (spec/heartbeat-monitoring.md 3.3).</summary>
internal static class HeartbeatJson
{
    private const string TimeFormat = "yyyy-MM-ddTHH:mm:ss.fffZ";

    /// <summary>The body of a transition's event.</summary>
    public static byte[] Write(HeartbeatTransition transition)
    {
        var buffer = new ArrayBufferWriter<byte>(384);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("deviceId"u8, transition.DeviceId);
        json.WriteNumber("sequence"u8, transition.Sequence);
        json.WriteString("state"u8, HeartbeatWords.Of(transition.State));
        json.WriteString("previous"u8, HeartbeatWords.Of(transition.Previous));
        json.WriteString("since"u8, Text(transition.Since));
        json.WriteString("lastSeen"u8, Text(transition.LastSeen));
        json.WriteNumber("expectedEverySeconds"u8, transition.ExpectedEvery.TotalSeconds);
        json.WriteNumber("missed"u8, transition.Missed);
        json.WriteString("cause"u8, HeartbeatWords.Of(transition.Cause));
        json.WriteString("rule"u8, transition.Terms.Source);
        if (transition.Cause is HeartbeatCause.Backlog)
        {
            json.WriteBoolean("backlog"u8, true);
        }

        if (transition.Group is { } group)
        {
            json.WriteString("group"u8, group);
        }

        if (transition.IsFlapping)
        {
            json.WriteBoolean("flapping"u8, true);
        }

        if (transition.State is HeartbeatState.Failing && transition.Refusal is { } refusal)
        {
            json.WriteString("refusal"u8, refusal);
        }

        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>A device as lists show it.</summary>
    public static JsonObject Describe(HeartbeatRecord record)
    {
        var device = new JsonObject
        {
            ["deviceId"] = record.DeviceId,
            ["state"] = HeartbeatWords.Of(record.State),
            ["since"] = Text(record.Since),
            ["lastSeen"] = Text(record.LastSeen),
            ["lastHeartbeat"] = Text(record.LastHeartbeat),
            ["expectedEverySeconds"] = record.ExpectedEvery.TotalSeconds,
            ["missed"] = record.Missed,
            ["sequence"] = record.Sequence,
            ["rule"] = record.Terms.Source,
        };
        if (record.Group is { } group)
        {
            device["group"] = group;
        }

        if (record.IsFlapping)
        {
            device["flapping"] = true;
        }

        if (record.Refusal is { } refusal)
        {
            device["refusal"] = refusal;
        }

        return device;
    }

    /// <summary>What is expected, as the winning rule says it.</summary>
    public static JsonObject Describe(HeartbeatTerms terms) => new()
    {
        ["source"] = terms.Source,
        ["every"] = terms.Every.TotalSeconds,
        ["missedAllowed"] = terms.MissedAllowed,
        ["lateAfter"] = terms.IsWatched ? terms.LateAfterMs() / 1000.0 : null,
        ["offlineAfter"] = terms.IsWatched ? terms.OfflineAfterMs() / 1000.0 : null,
        ["firstContactWithin"] = terms.FirstContactWithin?.TotalSeconds,
        ["maxEvery"] = terms.MaxEvery?.TotalSeconds,
        ["maxSleep"] = terms.MaxSleep?.TotalSeconds,
        ["counts"] = terms.Counts.ToString().ToLowerInvariant(),
    };

    /// <summary>The connection, which is kept apart from the heartbeat.</summary>
    public static JsonObject Describe(PresenceState presence)
    {
        var json = new JsonObject { ["connected"] = presence.IsConnected, ["since"] = Text(presence.UpdatedTime) };
        if (presence.Protocol is { } protocol)
        {
            json["protocol"] = protocol.ToString().ToLowerInvariant();
        }

        if (!presence.IsConnected && presence.Reason is { } reason)
        {
            json["reason"] = PresenceReason.Of(reason);
        }

        return json;
    }

    /// <summary>A moment.</summary>
    public static string Text(DateTimeOffset time) => time.UtcDateTime.ToString(TimeFormat);

    private static string? Text(DateTimeOffset? time) => time is { } known ? Text(known) : null;
}

/// <summary>Why connections end, in one enumeration across the heads (spec/heartbeat-monitoring.md 3.3).</summary>
internal static class PresenceReason
{
    /// <summary>The word for it.</summary>
    public static string Of(CloseReason reason) => reason switch
    {
        CloseReason.Disconnected => "clientDisconnect",
        CloseReason.PeerClosed => "connectionLost",
        CloseReason.KeepAliveTimeout => "keepAliveTimeout",
        CloseReason.TakenOver => "takenOver",
        CloseReason.TokenExpired => "tokenExpired",
        CloseReason.IdentityDisabled => "disabled",
        CloseReason.IdentityDeleted => "deleted",
        CloseReason.ProtocolViolation or CloseReason.Refused => "protocolError",
        CloseReason.Throttled => "throttled",
        CloseReason.HubStopping => "serverShutdown",
        CloseReason.NotAuthorized or CloseReason.CredentialRevoked or CloseReason.AuthenticationTimeout => "authFailed",
        CloseReason.Forced => "forced",
        _ => "serverError",
    };
}
