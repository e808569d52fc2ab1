using System.Globalization;
using Nave.Storage;

namespace Nave.Hub.Queries;

/// <summary>A query as one SQL statement for one page.</summary>
/// <param name="Sql">The text.</param>
/// <param name="Parameters">Its values.</param>
/// <param name="Fields">What paths asked for.</param>
/// <param name="EqualPaths">Paths that an index would serve.</param>
internal sealed record QueryStatement(
    string Sql, IReadOnlyList<(string Name, object? Value)> Parameters, ISqlFields Fields, IReadOnlyList<QueryPath> EqualPaths)
{
    /// <summary>The keys of the matching documents, in order, after a key.</summary>
    public static QueryStatement OfKeys(QueryTable table, JsonSql json, QueryExpression? where, IReadOnlyList<string>? after, int limit)
    {
        var fields = table.CreateFields();
        var compiler = new QueryCompiler(fields, json);
        var condition = compiler.Where(where);
        if (after is not null)
        {
            condition += $" AND ({string.Join(", ", table.Keys)}) > ({string.Join(", ", after.Select(compiler.Parameter))})";
        }

        var columns = string.Join(", ", table.Keys.Select((key, i) => string.Create(CultureInfo.InvariantCulture, $"{key} AS k{i}")));
        return new QueryStatement(
            $"SELECT {columns} FROM {fields.From} WHERE {condition} ORDER BY {string.Join(", ", table.Keys)} LIMIT {compiler.Parameter((long)limit)}",
            compiler.Parameters,
            fields,
            compiler.EqualPaths);
    }

    /// <summary>The matching documents themselves.</summary>
    public static QueryStatement OfDocuments(QueryTable table, JsonSql json, QueryExpression? where, IReadOnlyList<string>? after, int limit)
    {
        var keys = OfKeys(table, json, where, after, limit);
        return keys with { Sql = table.ReadDocuments(keys.Sql) };
    }

    /// <summary>Which of some devices match.</summary>
    public static QueryStatement OfDevices(QueryTable table, JsonSql json, QueryExpression? where, IReadOnlyCollection<string> devices)
    {
        var fields = table.CreateFields();
        var compiler = new QueryCompiler(fields, json);
        var condition = $"{compiler.Where(where)} AND t.device_id IN ({string.Join(", ", devices.Select(compiler.Parameter))})";
        return new QueryStatement($"SELECT t.device_id FROM {fields.From} WHERE {condition}", compiler.Parameters, fields, compiler.EqualPaths);
    }

    /// <summary>How many documents match.</summary>
    public static QueryStatement OfCount(QueryTable table, JsonSql json, QueryExpression? where)
    {
        var fields = table.CreateFields();
        var compiler = new QueryCompiler(fields, json);
        var condition = compiler.Where(where);
        return new QueryStatement($"SELECT count(*) FROM {fields.From} WHERE {condition}", compiler.Parameters, fields, compiler.EqualPaths);
    }

    /// <summary>
    /// Groups. A path takes two columns, its type and its value; an aggregate takes one. Groups come in the order of types and
    /// values; those before <paramref name="skip"/> are counted again for each page, since groups have no key.
    /// </summary>
    public static QueryStatement OfGroups(QueryTable table, JsonSql json, Query query, long skip, int limit)
    {
        var fields = table.CreateFields();
        var compiler = new QueryCompiler(fields, json);
        var groups = query.GroupBy.Select(path => compiler.Operand(path)).ToList();
        var columns = new List<string>();
        foreach (var item in query.Items)
        {
            columns.AddRange(item.Aggregate switch
            {
                null => [KindOf(compiler.Operand(item.Path!)), ValueOf(compiler.Operand(item.Path!))],
                QueryAggregate.Count => ["count(*)"],
                var aggregate => [$"{aggregate.ToString()!.ToUpperInvariant()}({compiler.Operand(item.Path!).Number ?? "NULL"})"],
            });
        }

        var condition = compiler.Where(query.Where);
        var keys = string.Join(", ", groups.SelectMany(group => new[] { KindOf(group), ValueOf(group) }));
        var sql = $"SELECT {string.Join(", ", columns)} FROM {fields.From} WHERE {condition}";
        if (groups.Count > 0)
        {
            sql += $" GROUP BY {keys} ORDER BY {keys}";
        }

        sql += $" LIMIT {compiler.Parameter((long)limit)} OFFSET {compiler.Parameter(skip)}";
        return new QueryStatement(sql, compiler.Parameters, fields, []);
    }

    private static string KindOf(SqlOperand operand) => "CASE" +
        When(operand.Text, ValueKind.String) +
        When(operand.Number, ValueKind.Number) +
        When(operand.Boolean, ValueKind.Boolean) +
        When(operand.Object, ValueKind.Object) +
        When(operand.Array, ValueKind.Array) +
        (operand.Null is { } isNull ? Then(isNull, ValueKind.Null) : "") +
        (operand == SqlOperand.Undefined ? Then("1", ValueKind.Undefined) : "") +
        string.Create(CultureInfo.InvariantCulture, $" ELSE {(int)ValueKind.Undefined} END");

    private static string When(string? sql, ValueKind kind) => sql is null ? "" : Then($"({sql}) IS NOT NULL", kind);

    private static string Then(string condition, ValueKind kind) => string.Create(CultureInfo.InvariantCulture, $" WHEN {condition} THEN {(int)kind}");

    private static string ValueOf(SqlOperand operand)
    {
        string[] values = [.. new[] { operand.Text, operand.Number, operand.Boolean, operand.Object, operand.Array }.OfType<string>()];
        return values.Length switch
        {
            0 => "NULL",
            1 => values[0],
            _ => $"coalesce({string.Join(", ", values)})",
        };
    }
}
