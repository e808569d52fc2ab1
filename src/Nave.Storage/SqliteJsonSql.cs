using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Microsoft.Data.Sqlite;

namespace Nave.Storage;

/// <summary>JSON as jsonb (or JSON text) in SQLite.</summary>
internal sealed class SqliteJsonSql : JsonSql
{
    private const string Utf16Collation = "nave_utf16";
    private const string Base64Function = "nave_base64";
    private const string TimeTreeFunction = "nave_time_tree";

    /// <inheritdoc/>
    public override string OrderedByUtf16 => " COLLATE " + Utf16Collation;

    /// <inheritdoc/>
    public override string ListIndexes => "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = @table";

    /// <summary>What SQLite itself does not have; on each connection that runs such statements.</summary>
    public static void AddTo(SqliteConnection connection)
    {
        // Its own order is that of UTF-8 bytes, which differs for characters beyond the basic plane.
        connection.CreateCollation(Utf16Collation, string.CompareOrdinal);
        connection.CreateFunction(Base64Function, (long number) => ToBase64(number), isDeterministic: true);
        connection.CreateFunction(
            TimeTreeFunction,
            (byte[] tree, string label) => Encoding.UTF8.GetString(TimeTree.Expand(tree, Encoding.UTF8.GetBytes(label))),
            isDeterministic: true);
    }

    /// <inheritdoc/>
    public override string Value(string document, IReadOnlyList<object> path) =>
        path.Count == 0 ? $"({document} ->> '$')"
        : IsPlain(path) ? $"({document} ->> {PathOf(path)})"
        : Found(document, path, "value");

    /// <inheritdoc/>
    public override string Text(string document, IReadOnlyList<object> path) =>
        $"CASE {Kind(document, path)} WHEN 'text' THEN {Value(document, path)} END";

    /// <inheritdoc/>
    public override string Number(string document, IReadOnlyList<object> path) =>
        $"CASE WHEN {Kind(document, path)} IN ('integer', 'real') THEN CAST({Value(document, path)} AS REAL) END";

    /// <inheritdoc/>
    public override string Boolean(string document, IReadOnlyList<object> path) =>
        $"CASE {Kind(document, path)} WHEN 'true' THEN 1 WHEN 'false' THEN 0 END";

    /// <inheritdoc/>
    public override string IsNull(string document, IReadOnlyList<object> path) => $"({Kind(document, path)} = 'null')";

    /// <inheritdoc/>
    public override string Object(string document, IReadOnlyList<object> path) =>
        $"CASE {Kind(document, path)} WHEN 'object' THEN {Value(document, path)} END";

    /// <inheritdoc/>
    public override string Array(string document, IReadOnlyList<object> path) =>
        $"CASE {Kind(document, path)} WHEN 'array' THEN {Value(document, path)} END";

    /// <inheritdoc/>
    public override string IsDefined(string document, IReadOnlyList<object> path) => $"({Kind(document, path)} IS NOT NULL)";

    /// <inheritdoc/>
    public override string Build(params ReadOnlySpan<(string Name, string Value)> members)
    {
        var text = new StringBuilder("json_object(");
        foreach (var (name, value) in members)
        {
            text.Append(text[^1] is '(' ? "" : ", ").Append(Quote(name)).Append(", ").Append(value);
        }

        return text.Append(')').ToString();
    }

    /// <inheritdoc/>
    public override string BuildArray(string element) => $"CASE WHEN {element} IS NOT NULL THEN json_array({element}) END";

    /// <inheritdoc/>
    public override string BuildBoolean(string value) => $"json(CASE {value} WHEN 0 THEN 'false' ELSE 'true' END)";

    // Ticks count from the year 1; SQLite's clock begins 62,135,596,800 seconds later.
    /// <inheritdoc/>
    public override string Time(string ticks) =>
        $"(strftime('%Y-%m-%dT%H:%M:%S', {ticks} / 10000000 - 62135596800, 'unixepoch') || printf('.%07dZ', {ticks} % 10000000))";

    /// <inheritdoc/>
    public override string ExpandTimes(string document, string label) => $"{TimeTreeFunction}(CAST(json({document}) AS BLOB), {Quote(label)})";

    /// <inheritdoc/>
    public override string Base64Of(string number) => $"{Base64Function}({number})";

    /// <inheritdoc/>
    public override string Remainder(string dividend, string divisor) => $"mod({dividend}, {divisor})";

    /// <inheritdoc/>
    public override string StartsWith(string text, string fragment) => $"(instr({text}, {fragment}) = 1)";

    // As bytes: length() of a text stops at a zero character, and a suffix in UTF-8 is one in UTF-16.
    /// <inheritdoc/>
    public override string EndsWith(string text, string fragment) =>
        $"CASE WHEN {text} IS NULL OR {fragment} IS NULL THEN NULL WHEN {fragment} = '' THEN 1 WHEN {text} = '' THEN 0 " +
        $"ELSE substr(CAST({text} AS BLOB), -length(CAST({fragment} AS BLOB))) = CAST({fragment} AS BLOB) END";

    /// <inheritdoc/>
    public override string IndexOn(string index, string table, string column, IReadOnlyList<object> path, string more) =>
        $"CREATE INDEX IF NOT EXISTS {index} ON {table} ({Value(column, path)}, {more})";

    private static string ToBase64(long number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(bytes, number);
        return Convert.ToBase64String(bytes);
    }

    private static string Kind(string document, IReadOnlyList<object> path) =>
        path.Count == 0 ? $"json_type({document})"
        : IsPlain(path) ? $"json_type({document}, {PathOf(path)})"
        : Found(document, path, "type");

    // SQLite's own paths cannot name a member with a quote or a backslash in it.
    private static bool IsPlain(IReadOnlyList<object> path) =>
        path.All(step => step is not string name || name.AsSpan().IndexOfAny('"', '\\', '\0') < 0);

    private static string PathOf(IReadOnlyList<object> path)
    {
        var text = new StringBuilder("$");
        foreach (var step in path)
        {
            _ = step is string name
                ? text.Append(".\"").Append(name).Append('"')
                : text.Append(CultureInfo.InvariantCulture, $"[{step}]");
        }

        return Quote(text.ToString());
    }

    // Member by member, each by its key: slow, and for names that hardly occur.
    private static string Found(string document, IReadOnlyList<object> path, string column)
    {
        var from = new StringBuilder();
        var where = new StringBuilder();
        for (var i = 0; i < path.Count; i++)
        {
            var parent = i == 0 ? document : $"CASE WHEN j{i - 1}.type IN ('object', 'array') THEN j{i - 1}.value ELSE '{{}}' END";
            from.Append(CultureInfo.InvariantCulture, $"{(i == 0 ? "" : ", ")}json_each({parent}) j{i}");
            where.Append(i == 0 ? "" : " AND ").Append(CultureInfo.InvariantCulture, $"j{i}.key = ");
            _ = path[i] is string name ? where.Append(Quote(name)) : where.Append(CultureInfo.InvariantCulture, $"{path[i]}");
        }

        return $"(SELECT j{path.Count - 1}.{column} FROM {from} WHERE {where})";
    }

    private static string Quote(string text) => "'" + text.Replace("'", "''", StringComparison.Ordinal) + "'";
}
