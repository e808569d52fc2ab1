namespace Nave.Storage;

/// <summary>
/// Words of a dialect for typed access to JSON in a column, for statements that are put together from parts. Every method
/// gives an expression; a path's names are quoted into it, so they may come from strangers.
/// </summary>
public abstract class JsonSql
{
    /// <summary>
    /// The value at a path: a string as its text, a number as itself, anything else in a way that is neither. Not exact, but
    /// what an index can be on (<see cref="IndexOn"/>).
    /// </summary>
    public abstract string Value(string document, IReadOnlyList<object> path);

    /// <summary>The string at a path, or null where there is none.</summary>
    public abstract string Text(string document, IReadOnlyList<object> path);

    /// <summary>The number at a path as floating point, or null where there is none.</summary>
    public abstract string Number(string document, IReadOnlyList<object> path);

    /// <summary>The boolean at a path as 1 or 0, or null where there is none.</summary>
    public abstract string Boolean(string document, IReadOnlyList<object> path);

    /// <summary>1 where the value is JSON's null, 0 where it is another, null where there is none.</summary>
    public abstract string IsNull(string document, IReadOnlyList<object> path);

    /// <summary>The object at a path as JSON text, or null where there is none.</summary>
    public abstract string Object(string document, IReadOnlyList<object> path);

    /// <summary>The array at a path as JSON text, or null where there is none.</summary>
    public abstract string Array(string document, IReadOnlyList<object> path);

    /// <summary>1 where there is a value, null's included, else 0.</summary>
    public abstract string IsDefined(string document, IReadOnlyList<object> path);

    /// <summary>A JSON document as an expression, of members that are expressions themselves.</summary>
    public abstract string Build(params ReadOnlySpan<(string Name, string Value)> members);

    /// <summary>A JSON array of one element, or null where that is null.</summary>
    public abstract string BuildArray(string element);

    /// <summary>A JSON boolean of 1 or 0.</summary>
    public abstract string BuildBoolean(string value);

    /// <summary>A moment in ticks as text: <c>2016-07-19T10:15:02.1234567Z</c>.</summary>
    public abstract string Time(string ticks);

    /// <summary>
    /// JSON text of a tree of moments that is kept short: a number is a moment in ticks, an object has its own under the empty
    /// name. Written out, each is a text in a member of the label's name.
    /// </summary>
    public abstract string ExpandTimes(string document, string label);

    /// <summary>A number as the base64 text of its eight bytes, the first being the highest.</summary>
    public abstract string Base64Of(string number);

    /// <summary>The remainder with the sign of the dividend, null for a divisor of zero.</summary>
    public abstract string Remainder(string dividend, string divisor);

    /// <summary>Puts what follows in the order of UTF-16 code units, as .NET has it; stands behind an operand of a comparison.</summary>
    public abstract string OrderedByUtf16 { get; }

    /// <summary>1 where the text begins so.</summary>
    public abstract string StartsWith(string text, string fragment);

    /// <summary>1 where the text ends so.</summary>
    public abstract string EndsWith(string text, string fragment);

    /// <summary>The statement that makes an index on <see cref="Value"/> at a path, if there is none of the name.</summary>
    public abstract string IndexOn(string index, string table, string column, IReadOnlyList<object> path, string more);

    /// <summary>The query for the names of a table's indexes, by <c>@table</c>.</summary>
    public abstract string ListIndexes { get; }
}
