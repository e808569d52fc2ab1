using System.Text.Json;
using Nave.Hub.Queries;
using Nave.Protocol;
using Nave.Protocol.Errors;

namespace Nave.Hub.Configurations;

/// <summary>What a request asks a configuration to be, checked (spec/service-rest.md 10).</summary>
internal sealed record ConfigurationDraft
{
    // spec/service-rest.md 10: lower case letters, digits and these.
    private const string Marks = "-:.+%_#*?!(),=@;$'";

    private const int MaxIdLength = 128;
    private const int MaxMetricNameLength = 128;

    public required string Id { get; init; }

    public required string SchemaVersion { get; init; }

    /// <summary>JSON.</summary>
    public required string Labels { get; init; }

    /// <summary>Null where the request says nothing of it.</summary>
    public required ConfigurationContent? Content { get; init; }

    public required string TargetCondition { get; init; }

    public required QueryCondition Condition { get; init; }

    public required int Priority { get; init; }

    public required IReadOnlyDictionary<string, string> Metrics { get; init; }

    /// <summary>Whether an id may be one.</summary>
    public static bool IsId(string id) =>
        id.Length is > 0 and <= MaxIdLength && id.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || Marks.Contains(c, StringComparison.Ordinal));

    /// <summary>Reads a request's body for the id in its path. What only the hub writes is looked over.</summary>
    public static Outcome<ConfigurationDraft> Read(string id, JsonElement body)
    {
        if (!IsId(id))
        {
            return HubFailures.ArgumentInvalid.Saying($"A configuration's id has 1 to {MaxIdLength} lower case letters, digits and the marks of device ids.");
        }

        if (body.ValueKind is not JsonValueKind.Object)
        {
            return HubFailures.FormatError;
        }

        if (body.TryGetProperty("id"u8, out var stated) && !(stated.ValueKind is JsonValueKind.String && stated.ValueEquals(id)))
        {
            return HubFailures.ArgumentInvalid.Saying("The id in the body is not the one in the path.");
        }

        if (!TryText(body, "schemaVersion"u8, "1.0", out var schemaVersion)
            || !TryText(body, "targetCondition"u8, "", out var condition)
            || !TryPriority(body, out var priority)
            || !TryLabels(body, out var labels))
        {
            return HubFailures.FormatError;
        }

        var hasContent = body.TryGetProperty("content"u8, out var written) && written.ValueKind is not JsonValueKind.Null;
        if (!ConfigurationContent.Read(written).TryGet(out var content, out var failure)
            || !ReadMetrics(body).TryGet(out var metrics, out failure)
            || !ReadCondition(condition).TryGet(out var parsed, out failure))
        {
            return failure;
        }

        return new ConfigurationDraft
        {
            Id = id,
            SchemaVersion = schemaVersion,
            Labels = labels,
            Content = hasContent ? content : null,
            TargetCondition = condition,
            Condition = parsed,
            Priority = priority,
            Metrics = metrics,
        };
    }

    /// <summary>Reads a target condition.</summary>
    public static Outcome<QueryCondition> ReadCondition(string text) =>
        !QueryParser.ParseCondition(text).TryGet(out var condition, out var failure) ? HubFailures.InvalidConfigurationTargetCondition.Saying(failure.Message)
        : condition.Source is QuerySource.Jobs ? HubFailures.InvalidConfigurationTargetCondition.Saying("A configuration targets devices or modules.")
        : QueryPaths.In(condition.Where).Any(path => path.Root is QueryFields.Monitor)
            ? HubFailures.InvalidConfigurationTargetCondition.Saying("A configuration cannot follow monitor.state: it is looked at when twins change.")
        : condition;

    /// <summary>Null when a statement may be a custom metric.</summary>
    public static HubFailure? CheckMetric(string name, string statement) =>
        name.Length is 0 or > MaxMetricNameLength ? HubFailures.InvalidConfigurationMetrics.Saying($"A metric's name has 1 to {MaxMetricNameLength} characters.")
        : !QueryParser.Parse(statement).TryGet(out var query, out var failure) ? HubFailures.InvalidConfigurationMetrics.Saying(failure.Message)
        : query.Source is QuerySource.Jobs ? HubFailures.InvalidConfigurationMetrics.Saying("A metric counts devices or modules.")
        : null;

    /// <summary>Reads an object of texts.</summary>
    public static bool TryTexts(JsonElement named, out Dictionary<string, string> texts)
    {
        texts = [];
        if (named.ValueKind is not JsonValueKind.Object)
        {
            return named.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null;
        }

        foreach (var member in named.EnumerateObject())
        {
            if (member.Value.ValueKind is not JsonValueKind.String)
            {
                return false;
            }

            texts[member.Name] = member.Value.GetString()!;
        }

        return true;
    }

    private static Outcome<Dictionary<string, string>> ReadMetrics(JsonElement body)
    {
        JsonElement queries = default;
        if (body.TryGetProperty("metrics"u8, out var metrics) && metrics.ValueKind is JsonValueKind.Object)
        {
            metrics.TryGetProperty("queries"u8, out queries);
        }

        if (!TryTexts(queries, out var texts))
        {
            return HubFailures.FormatError;
        }

        if (texts.Count > HubLimits.MaxConfigurationMetrics)
        {
            return HubFailures.InvalidConfigurationMetrics.Saying($"A configuration has at most {HubLimits.MaxConfigurationMetrics} metrics of its own.");
        }

        return texts.Select(metric => CheckMetric(metric.Key, metric.Value)).FirstOrDefault(failure => failure is not null) is { } broken ? broken : texts;
    }

    private static bool TryText(JsonElement body, ReadOnlySpan<byte> name, string absent, out string text)
    {
        text = absent;
        if (!body.TryGetProperty(name, out var value) || value.ValueKind is JsonValueKind.Null)
        {
            return true;
        }

        text = value.ValueKind is JsonValueKind.String ? value.GetString()! : "";
        return value.ValueKind is JsonValueKind.String;
    }

    private static bool TryPriority(JsonElement body, out int priority)
    {
        priority = 0;
        return !body.TryGetProperty("priority"u8, out var value) || value.ValueKind is JsonValueKind.Null
            || (value.ValueKind is JsonValueKind.Number && value.TryGetInt32(out priority) && priority >= 0);
    }

    private static bool TryLabels(JsonElement body, out string labels)
    {
        labels = "{}";
        if (!body.TryGetProperty("labels"u8, out var value) || value.ValueKind is JsonValueKind.Null)
        {
            return true;
        }

        labels = value.GetRawText();
        return TryTexts(value, out _);
    }
}
