using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Nave.Hub.Heartbeats;

/// <summary>
/// A time in which nobody is to be woken for some devices: a silence that begins at once, or a maintenance window that is to
/// come. Transitions go on as ever.
/// </summary>
/// <param name="Name">1 to 64 letters, digits and <c>. - _</c>.</param>
/// <param name="From">Its beginning.</param>
/// <param name="Until">Its end.</param>
/// <param name="Devices">For these devices; with <paramref name="Group"/> null as well, for all.</param>
/// <param name="Group">For the devices of this group.</param>
/// <param name="Note">Why.</param>
internal sealed record HeartbeatSilence(
    string Name, DateTimeOffset From, DateTimeOffset Until, IReadOnlySet<string>? Devices, string? Group, string? Note)
{
    private const int MaxDevices = 1_000;
    private const int MaxNote = 400;
    private static readonly TimeSpan Longest = TimeSpan.FromDays(366);

    /// <summary>Whether it is for the whole hub.</summary>
    public bool IsForAll => Devices is null && Group is null;

    /// <summary>Whether it holds at that time.</summary>
    public bool HoldsAt(DateTimeOffset now) => From <= now && now < Until;

    /// <summary>Whether it is for that device.</summary>
    public bool IsFor(string device, string? group) => IsForAll || Devices?.Contains(device) is true || (Group is not null && Group == group);

    /// <summary>Reads one; <c>for</c> is in seconds and goes from the beginning, <c>until</c> is a time.</summary>
    public static bool TryRead(string name, JsonObject body, DateTimeOffset now, [NotNullWhen(true)] out HeartbeatSilence? silence, [NotNullWhen(false)] out string? problem)
    {
        silence = null;
        problem = name.Length is 0 or > 64 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_') ? "a silence's name has 1 to 64 letters, digits and . - _"
            : body.Select(member => member.Key).FirstOrDefault(key => key is not ("name" or "from" or "until" or "for" or "devices" or "group" or "note")) is { } unknown
                ? $"'{unknown}' is not known" : null;
        if (problem is not null)
        {
            return false;
        }

        if (!TryTime(body["from"], now, out var from))
        {
            problem = "'from' is no time in ISO 8601";
        }
        else if (body["for"] is JsonValue seconds ? body["until"] is not null || !seconds.TryGetValue<double>(out var length) || !(length > 0 && length <= Longest.TotalSeconds)
            : body["until"] is null)
        {
            problem = "it ends: either 'for' so many seconds, a year at most, or 'until' a time";
        }
        else
        {
            var until = body["for"] is { } given ? from.AddSeconds(given.GetValue<double>()) : default;
            var devices = (body["devices"] as JsonArray)?.Select(device => device?.ToString() ?? "").ToHashSet(StringComparer.Ordinal);
            problem = until == default && !TryTime(body["until"], null, out until) ? "'until' is no time in ISO 8601"
                : until <= from || until <= now ? "it is over before it begins, or by now"
                : until - from > Longest ? "it lasts longer than a year"
                : devices?.Count is 0 or > MaxDevices || (body["devices"] is not null && devices is null) ? $"'devices' is a list of 1 to {MaxDevices} device ids"
                : body["note"]?.ToString().Length > MaxNote ? $"'note' has at most {MaxNote} characters"
                : null;
            silence = problem is null ? new HeartbeatSilence(name, from, until, devices, body["group"]?.ToString(), body["note"]?.ToString()) : null;
        }

        return silence is not null;
    }

    /// <summary>For an operator, and for SQL.</summary>
    public JsonObject ToJson() => new()
    {
        ["name"] = Name,
        ["from"] = HeartbeatJson.Text(From),
        ["until"] = HeartbeatJson.Text(Until),
        ["devices"] = Devices is null ? null : new JsonArray([.. Devices.Order(StringComparer.Ordinal).Select(device => (JsonNode)device)]),
        ["group"] = Group,
        ["note"] = Note,
    };

    private static bool TryTime(JsonNode? value, DateTimeOffset? absent, out DateTimeOffset time)
    {
        time = absent ?? default;
        return value is null ? absent is not null : DateTimeOffset.TryParse(
            value.ToString(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out time);
    }
}
