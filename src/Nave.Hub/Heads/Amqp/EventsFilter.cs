using System.Text.RegularExpressions;
using Amqp.Framing;
using Amqp.Types;
using Nave.Hub.Telemetry;

namespace Nave.Hub.Heads.Amqp;

/// <summary>The start position in a receiver's source: one comparison of one annotation (spec/events-endpoint.md 3.1).</summary>
internal static partial class EventsFilter
{
    private const string SelectorKey = "apache.org:selector-filter:string";
    private const int MaxLength = 512;

    /// <summary>Reads the filter of a source; no filter means from the beginning.</summary>
    /// <returns>False when there is one and it is malformed.</returns>
    public static bool TryRead(Source? source, out ReadPosition position)
    {
        position = ReadPosition.Beginning;
        var filter = Find(source);
        return filter is null || (filter.Value.Value is { } text && TryParse(text, out position));
    }

    /// <summary>The source as the answer states it: the address and the filter that is honoured, nothing else.</summary>
    public static Source Echo(Source source)
    {
        var echo = new Source { Address = source.Address };
        if (Find(source) is { } filter)
        {
            echo.FilterSet = new Map { [filter.Key] = filter.Raw };
        }

        return echo;
    }

    /// <summary>Reads a comparison.</summary>
    public static bool TryParse(string text, out ReadPosition position)
    {
        position = default;
        var match = text.Length > MaxLength ? Match.Empty : Comparison().Match(text);
        if (!match.Success)
        {
            return false;
        }

        var value = match.Groups["quoted"].Success ? match.Groups["quoted"].Value : match.Groups["bare"].Value;
        var kind = match.Groups["field"].Value switch
        {
            "x-opt-offset" => ReadPositionKind.Offset,
            "x-opt-sequence-number" => ReadPositionKind.SequenceNumber,
            "x-opt-enqueued-time" or "x-opt-enqueuedtimeutc" => ReadPositionKind.EnqueuedTime,
            _ => ReadPositionKind.Beginning,
        };
        if (kind is ReadPositionKind.Beginning)
        {
            return false;
        }

        var comparison = match.Groups["op"].Value;
        if (kind is ReadPositionKind.Offset && value == "@latest")
        {
            position = new ReadPosition(ReadPositionKind.End);
            return true;
        }

        if (!long.TryParse(value, out var number))
        {
            return false;
        }

        // An upper bound names no place to start from: from the beginning, and the reader stops where it likes.
        position = comparison.StartsWith('<')
            ? ReadPosition.Beginning
            : new ReadPosition(kind, number, IsInclusive: comparison != ">");
        return true;
    }

    private static (object Key, object Raw, string? Value)? Find(Source? source)
    {
        if (source is null || !source.HasField(7) || source.FilterSet is not { } filters)
        {
            return null;
        }

        foreach (var (key, value) in filters)
        {
            if (string.Equals(key?.ToString(), SelectorKey, StringComparison.Ordinal))
            {
                // The descriptor is a symbol with some clients, a number with others: never test it.
                var text = value is Described or DescribedValue ? (value as DescribedValue)?.Value : value;
                return (key!, value!, text as string ?? (text as Symbol));
            }
        }

        return null;
    }

    [GeneratedRegex(@"^\s*amqp\.annotation\.(?<field>[a-z-]+)\s*(?<op>>=|<=|>|<|=)\s*(?:'(?<quoted>[^']*)'|(?<bare>[^'\s]+))\s*$", RegexOptions.IgnoreCase)]
    private static partial Regex Comparison();
}
