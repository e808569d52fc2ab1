using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Nave.Hub.Heartbeats;

/// <summary>
/// Which devices a group rule is for: a part of the hub's query language that needs no query — comparisons of tags and of
/// the device id, joined by AND: <c>tags.site = 'north' AND tags.floor != 3 AND STARTS_WITH(deviceId, 'pump-')</c>.
/// </summary>
internal sealed partial class RuleCondition
{
    private const int MaxLength = 1024;

    private readonly List<Term> _terms = [];

    private RuleCondition(string text) => Text = text;

    /// <summary>As it was written.</summary>
    public string Text { get; }

    /// <summary>Reads a condition.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out RuleCondition? condition, [NotNullWhen(false)] out string? problem)
    {
        condition = null;
        problem = text.Length > MaxLength ? $"a condition has at most {MaxLength} characters" : null;
        if (problem is not null)
        {
            return false;
        }

        var read = new RuleCondition(text.Trim());
        var rest = read.Text;
        while (true)
        {
            var match = TermPattern().Match(rest);
            if (!match.Success)
            {
                problem = $"'{rest}' is not a comparison such as tags.site = 'north', deviceId = 'x' or STARTS_WITH(deviceId, 'x')";
                return false;
            }

            read._terms.Add(Term.Of(match));
            rest = rest[match.Length..];
            if (rest.Length == 0)
            {
                condition = read;
                return true;
            }

            if (AndPattern().Match(rest) is not { Success: true } and)
            {
                problem = $"'{rest.Trim()}' does not follow: only AND joins comparisons";
                return false;
            }

            rest = rest[and.Length..];
        }
    }

    /// <summary>Whether a device with such tags is meant.</summary>
    public bool Matches(string deviceId, in JsonElement tags)
    {
        foreach (var term in _terms)
        {
            if (!term.Matches(deviceId, tags))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The value at a path of tags, or undefined.</summary>
    public static JsonElement ValueAt(JsonElement tags, IEnumerable<string> path)
    {
        foreach (var name in path)
        {
            if (tags.ValueKind is not JsonValueKind.Object || !tags.TryGetProperty(name, out tags))
            {
                return default;
            }
        }

        return tags;
    }

    [GeneratedRegex(
        @"\A\s*(?:STARTS_WITH\s*\(\s*deviceId\s*,\s*'(?<start>(?:[^']|'')*)'\s*\)|(?<path>deviceId|tags(?:\.[\w$-]+)+)\s*(?<op>!=|<>|=)\s*(?:'(?<text>(?:[^']|'')*)'|(?<number>-?\d+(?:\.\d+)?)|(?<flag>true|false)))\s*",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex TermPattern();

    [GeneratedRegex(@"\AAND\s+", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex AndPattern();

    private sealed record Term(string[]? Path, bool IsNot, string? Text, double? Number, bool? Flag, string? Start)
    {
        public static Term Of(Match match)
        {
            var groups = match.Groups;
            return new Term(
                groups["path"] is { Success: true } path && path.Value.StartsWith("tags.", StringComparison.OrdinalIgnoreCase) ? path.Value.Split('.')[1..] : null,
                groups["op"].Value is "!=" or "<>",
                groups["text"] is { Success: true } text ? Unquote(text.Value) : null,
                groups["number"] is { Success: true } number ? double.Parse(number.Value, CultureInfo.InvariantCulture) : null,
                groups["flag"] is { Success: true } flag ? flag.Value.Equals("true", StringComparison.OrdinalIgnoreCase) : null,
                groups["start"] is { Success: true } start ? Unquote(start.Value) : null);
        }

        public bool Matches(string deviceId, in JsonElement tags) =>
            Start is not null ? deviceId.StartsWith(Start, StringComparison.Ordinal)
            : Path is null ? (deviceId == Text) != IsNot
            : ValueAt(tags, Path) is { ValueKind: not JsonValueKind.Undefined } value && Equals(value) != IsNot;

        private bool Equals(JsonElement value) => value.ValueKind switch
        {
            JsonValueKind.String => Text is not null && value.ValueEquals(Text),
            JsonValueKind.Number => Number is { } number && value.GetDouble().Equals(number),
            JsonValueKind.True or JsonValueKind.False => Flag == value.GetBoolean(),
            _ => false,
        };

        private static string Unquote(string text) => text.Replace("''", "'", StringComparison.Ordinal);
    }
}
