namespace Nave.Hub.Queries;

/// <summary>Rules beyond the grammar (spec/query-language.md A1 to A3): what goes with what, and which functions there are.</summary>
internal static class QueryRules
{
    private static readonly HashSet<string> Reserved = new(StringComparer.OrdinalIgnoreCase)
    {
        "SELECT", "TOP", "FROM", "WHERE", "GROUP", "BY", "ORDER", "AS", "AND", "OR", "NOT", "IN", "NIN", "TRUE", "FALSE", "NULL", "UNDEFINED",
    };

    private static readonly Dictionary<string, QueryFunction> Functions = new(StringComparer.OrdinalIgnoreCase)
    {
        ["IS_DEFINED"] = QueryFunction.IsDefined,
        ["IS_NULL"] = QueryFunction.IsNull,
        ["IS_BOOL"] = QueryFunction.IsBool,
        ["IS_NUMBER"] = QueryFunction.IsNumber,
        ["IS_STRING"] = QueryFunction.IsString,
        ["IS_OBJECT"] = QueryFunction.IsObject,
        ["IS_ARRAY"] = QueryFunction.IsArray,
        ["IS_PRIMITIVE"] = QueryFunction.IsPrimitive,
        ["STARTSWITH"] = QueryFunction.StartsWith,
        ["ENDSWITH"] = QueryFunction.EndsWith,
    };

    /// <summary>Whether a bare word is never a path.</summary>
    public static bool IsReserved(string word) => Reserved.Contains(word);

    public static QueryFunction? FindFunction(string name) => Functions.TryGetValue(name, out var function) ? function : null;

    /// <summary>Why there is no such function. The service refuses the spellings of routes in twin queries, so Nave does.</summary>
    public static string DescribeUnknown(string name) => name.ToUpperInvariant() switch
    {
        "STARTS_WITH" => "STARTS_WITH is of routes: twin queries have STARTSWITH",
        "ENDS_WITH" => "ENDS_WITH is of routes: twin queries have ENDSWITH",
        "COUNT" or "AVG" or "SUM" or "MIN" or "MAX" => $"the aggregate {name.ToUpperInvariant()} belongs into the list after SELECT",
        _ => $"there is no function {QuerySyntaxException.Quote(name)} (there are {string.Join(", ", Functions.Keys)})",
    };

    /// <summary>What the whole statement must keep to.</summary>
    /// <param name="query">The statement.</param>
    /// <param name="items">Its items and where they begin.</param>
    /// <param name="list">The list's first token.</param>
    public static void Check(Query query, IReadOnlyList<(QueryItem Item, int Offset)> items, Token list)
    {
        if (query.Source is QuerySource.Jobs && (items.Count > 0 || query.GroupBy.Count > 0))
        {
            throw new QuerySyntaxException(list.Offset, "expected SELECT * without GROUP BY: devices.jobs knows neither lists nor aggregates");
        }

        if (items.Count == 0 && query.GroupBy.Count > 0)
        {
            throw new QuerySyntaxException(list.Offset, "expected aggregates and paths of GROUP BY after SELECT but found '*'");
        }

        if (!query.IsAggregate)
        {
            if (items.FirstOrDefault(item => item.Item.Path?.Root is QueryFields.Monitor) is { Item: not null } monitored)
            {
                throw new QuerySyntaxException(monitored.Offset, "monitor is no part of a twin: it can be asked for in WHERE and GROUP BY, not shown in a row");
            }

            return;
        }

        foreach (var (item, offset) in items)
        {
            if (item.Aggregate is null && !query.GroupBy.Any(path => path.Matches(item.Path!)))
            {
                throw new QuerySyntaxException(offset, $"{QuerySyntaxException.Quote(item.Name)} is neither an aggregate nor in GROUP BY");
            }
        }
    }
}
