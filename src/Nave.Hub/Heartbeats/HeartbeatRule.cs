using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Nave.Hub.Heartbeats;

/// <summary>What an operator expects of a group of devices.</summary>
/// <param name="Name">1 to 64 letters, digits and <c>. - _</c>; <c>default</c> is the rule of everybody else.</param>
/// <param name="Terms">What is expected.</param>
/// <param name="Condition">Whom it is for; null for the default rule.</param>
/// <param name="Priority">Of two rules for one device the higher one wins, then the first by name.</param>
internal sealed record HeartbeatRule(string Name, HeartbeatTerms Terms, RuleCondition? Condition, int Priority)
{
    /// <summary>The rule of whoever has no other.</summary>
    public const string Default = "default";

    // A period of a second is as short as scans can tell; a year is for ever.
    private const double MaxSeconds = 366 * 86_400;
    private const int MaxNameLength = 64;

    /// <summary>Reads a rule; the members are seconds.</summary>
    public static bool TryRead(string name, JsonElement body, [NotNullWhen(true)] out HeartbeatRule? rule, [NotNullWhen(false)] out string? problem)
    {
        rule = null;
        if (name.Length is 0 or > MaxNameLength || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_'))
        {
            problem = $"a rule's name has 1 to {MaxNameLength} letters, digits and . - _";
            return false;
        }

        var isDefault = name == Default;
        if (!TryReadTerms(body, isDefault ? Default : "group:" + name, out var terms, out problem))
        {
            return false;
        }

        RuleCondition? condition = null;
        if (isDefault == body.TryGetProperty("condition", out var text) && (isDefault || text.ValueKind is not JsonValueKind.String))
        {
            problem = isDefault ? "the default rule has no condition: it is for everybody else" : "'condition' says for which devices the rule is";
            return false;
        }

        if (!isDefault && (text.ValueKind is not JsonValueKind.String || !RuleCondition.TryParse(text.GetString()!, out condition, out problem)))
        {
            problem ??= "'condition' says for which devices the rule is";
            return false;
        }

        var priority = body.TryGetProperty("priority", out var number) && number.TryGetInt32(out var value) ? value : 0;
        rule = new HeartbeatRule(name, terms, condition, priority);
        return true;
    }

    /// <summary>Reads what is expected, of a rule or of a twin's <c>tags.monitor</c>.</summary>
    public static bool TryReadTerms(JsonElement body, string source, [NotNullWhen(true)] out HeartbeatTerms? terms, [NotNullWhen(false)] out string? problem)
    {
        terms = null;
        problem = null;
        if (body.ValueKind is not JsonValueKind.Object)
        {
            problem = "not an object";
            return false;
        }

        // A wrong word is told, not passed over: a silent default would be found out in the night.
        foreach (var member in body.EnumerateObject())
        {
            problem ??= member.Name switch
            {
                "every" or "grace" or "firstContactWithin" or "maxEvery" or "maxSleep" =>
                    Seconds(member.Value) is null ? $"'{member.Name}' is not a number of seconds up to a year" : null,
                "missedAllowed" => member.Value.ValueKind is JsonValueKind.Number && member.Value.TryGetInt32(out var missed) && missed is >= 1 and <= 1000
                    ? null : "'missedAllowed' is not a whole number from 1 to 1000",
                "counts" => ActivityOf(member.Value) is null ? "'counts' is none of telemetry, heartbeats, any" : null,
                "condition" or "priority" or "name" or "source" => null,
                _ => $"'{member.Name}' is not known",
            };
        }

        if (!body.TryGetProperty("every", out var every))
        {
            problem ??= "'every' says how many seconds may pass between two messages; 0 for no watch";
        }

        if (problem is not null)
        {
            return false;
        }

        terms = new HeartbeatTerms
        {
            Source = source,
            Every = Seconds(every)!.Value, // Read above.
            MissedAllowed = body.TryGetProperty("missedAllowed", out var allowed) ? allowed.GetInt32() : 2,
            Grace = Member(body, "grace"),
            FirstContactWithin = Member(body, "firstContactWithin"),
            MaxEvery = Member(body, "maxEvery"),
            MaxSleep = Member(body, "maxSleep"),
            Counts = body.TryGetProperty("counts", out var counts) ? ActivityOf(counts)!.Value : HeartbeatActivity.Telemetry,
        };
        return true;
    }

    /// <summary>As it was written, for an operator and for SQL.</summary>
    public JsonObject ToJson()
    {
        var body = new JsonObject { ["name"] = Name, ["every"] = Terms.Every.TotalSeconds, ["missedAllowed"] = Terms.MissedAllowed };
        Put("grace", Terms.Grace);
        Put("firstContactWithin", Terms.FirstContactWithin);
        Put("maxEvery", Terms.MaxEvery);
        Put("maxSleep", Terms.MaxSleep);
        body["counts"] = Terms.Counts.ToString().ToLowerInvariant();
        if (Condition is not null)
        {
            body["condition"] = Condition.Text;
            body["priority"] = Priority;
        }

        return body;

        void Put(string name, TimeSpan? value)
        {
            if (value is { } time)
            {
                body[name] = time.TotalSeconds;
            }
        }
    }

    private static TimeSpan? Member(JsonElement body, string name) => body.TryGetProperty(name, out var value) ? Seconds(value) : null;

    private static TimeSpan? Seconds(JsonElement value) =>
        value.ValueKind is JsonValueKind.Number && value.TryGetDouble(out var seconds) && seconds is >= 0 and <= MaxSeconds ? TimeSpan.FromSeconds(seconds) : null;

    private static HeartbeatActivity? ActivityOf(JsonElement value) =>
        value.ValueKind is JsonValueKind.String && Enum.TryParse<HeartbeatActivity>(value.GetString(), ignoreCase: true, out var activity) && Enum.IsDefined(activity)
            ? activity : null;
}
