using Nave.Storage;

namespace Nave.Hub.Queries;

/// <summary>
/// A value of unknown type as SQL: one expression per type that it can have, each null in SQL when the value is of another
/// type or undefined. A member that is null here says that the value is never of that type. So a comparison is made per
/// type, and what is of two types is compared by none: undefined.
/// </summary>
internal sealed record SqlOperand
{
    public static readonly SqlOperand Undefined = new();

    public string? Text { get; init; }

    public string? Number { get; init; }

    /// <summary>1 or 0.</summary>
    public string? Boolean { get; init; }

    /// <summary>1 where the value is JSON's null, anything else where it is not.</summary>
    public string? Null { get; init; }

    /// <summary>JSON text.</summary>
    public string? Object { get; init; }

    /// <summary>JSON text.</summary>
    public string? Array { get; init; }

    /// <summary>1 where there is a value of whatever type, else 0.</summary>
    public string? Defined { get; init; }

    /// <summary>What an index can be on, and parameters be compared with; not exact.</summary>
    public string? Indexed { get; init; }

    /// <summary>The string is a literal in whose order UTF-8 and UTF-16 agree.</summary>
    public bool IsPlainText { get; init; }

    /// <summary>A string that is always there.</summary>
    public static SqlOperand OfText(string sql) => new() { Text = sql, Defined = "1", IsPlainText = true };

    /// <summary>A string, or undefined.</summary>
    public static SqlOperand OfOptionalText(string sql) => new() { Text = sql, Defined = $"({sql} IS NOT NULL)" };

    /// <summary>A number that is always there.</summary>
    public static SqlOperand OfNumber(string sql) => new() { Number = sql, Defined = "1" };

    /// <summary>The value at a path in a document, of any type.</summary>
    public static SqlOperand OfJson(JsonSql json, string document, IReadOnlyList<object> path) => new()
    {
        Text = json.Text(document, path),
        Number = json.Number(document, path),
        Boolean = json.Boolean(document, path),
        Null = json.IsNull(document, path),
        Object = json.Object(document, path),
        Array = json.Array(document, path),
        Defined = json.IsDefined(document, path),
        Indexed = json.Value(document, path),
    };
}
