using System.Globalization;
using System.Text;

namespace Nave.Hub.Queries;

/// <summary>A checked statement of the query language (spec/query-language.md A1): names resolved, rules kept.</summary>
internal sealed record Query
{
    /// <summary>As it was written: what a continuation token belongs to.</summary>
    public required string Text { get; init; }

    public required QuerySource Source { get; init; }

    /// <summary>How many rows there are at most in all pages together, or null.</summary>
    public int? Top { get; init; }

    /// <summary>What a row is made of; empty for <c>*</c>.</summary>
    public required IReadOnlyList<QueryItem> Items { get; init; }

    /// <summary>The condition, or null for every row.</summary>
    public QueryExpression? Where { get; init; }

    public required IReadOnlyList<QueryPath> GroupBy { get; init; }

    /// <summary>Whether rows are made of many documents each.</summary>
    public bool IsAggregate => GroupBy.Count > 0 || Items.Any(item => item.Aggregate is not null);
}

/// <summary>A condition without a statement (spec/query-language.md A4): of jobs and configurations.</summary>
/// <param name="Source">Devices, or modules where the condition says so.</param>
/// <param name="Where">Null for all.</param>
internal sealed record QueryCondition(QuerySource Source, QueryExpression? Where);

/// <summary>What a query ranges over.</summary>
internal enum QuerySource
{
    Devices,
    Modules,
    Jobs,
}

/// <summary>One member of a result row.</summary>
/// <param name="Name">Of the member: the alias, or the path's last name as documents spell it.</param>
/// <param name="Aggregate">Null for a plain path.</param>
/// <param name="Path">Null for COUNT.</param>
internal sealed record QueryItem(string Name, QueryAggregate? Aggregate, QueryPath? Path);

/// <summary>What is made of a group of documents.</summary>
internal enum QueryAggregate
{
    Count,
    Avg,
    Sum,
    Min,
    Max,
}

/// <summary>A place in a document. The first step is a built-in name as documents spell it; the rest is exactly as written.</summary>
internal sealed record QueryPath(int Offset, IReadOnlyList<PathStep> Steps)
{
    /// <summary>The built-in name.</summary>
    public string Root => Steps[0].Name!;

    /// <summary>The last name in it.</summary>
    public string LastName => Steps.Last(step => step.Name is not null).Name!;

    /// <summary>As one would write it.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (var step in Steps)
        {
            _ = step.Name is { } name
                ? text.Append(text.Length > 0 ? "." : "").Append(name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '$' or '-') ? name : $"[[{name}]]")
                : text.Append(CultureInfo.InvariantCulture, $"[{step.Index}]");
        }

        return text.ToString();
    }

    public bool Matches(QueryPath other) => Steps.SequenceEqual(other.Steps);
}

/// <summary>One step down: into a member, or, where the name is null, into an array.</summary>
internal readonly record struct PathStep(string? Name, int Index = 0);

/// <summary>The types of values in documents, and of none.</summary>
internal enum ValueKind
{
    Undefined,
    Null,
    Boolean,
    Number,
    String,
    Object,
    Array,
}

/// <summary>A node of a condition, and where it stands in the text.</summary>
internal abstract record QueryExpression(int Offset)
{
    /// <summary>Levels of it and what is below; bounded (<see cref="QueryLimits.MaxDepth"/>), so recursion over trees is too.</summary>
    public int Depth { get; init; } = 1;
}

/// <summary>A literal; the member that <see cref="Kind"/> names holds it.</summary>
internal sealed record QueryLiteral(int Offset, ValueKind Kind, string Text = "", double Number = 0, bool Boolean = false)
    : QueryExpression(Offset);

/// <summary>The value at a path, of any kind.</summary>
internal sealed record PathValue(int Offset, QueryPath Path) : QueryExpression(Offset);

/// <summary>The negative of a number.</summary>
internal sealed record Negation(int Offset, QueryExpression Operand) : QueryExpression(Offset);

/// <summary>Two numbers make one.</summary>
internal sealed record Arithmetic(int Offset, char Operator, QueryExpression Left, QueryExpression Right) : QueryExpression(Offset);

/// <summary>Two values of one primitive type compared; undefined for any others.</summary>
internal sealed record Comparison(int Offset, ComparisonOperator Operator, QueryExpression Left, QueryExpression Right)
    : QueryExpression(Offset);

/// <summary>IN, or NIN.</summary>
internal sealed record Membership(int Offset, QueryExpression Operand, IReadOnlyList<QueryLiteral> Elements, bool IsNegated)
    : QueryExpression(Offset);

/// <summary>NOT.</summary>
internal sealed record Inversion(int Offset, QueryExpression Operand) : QueryExpression(Offset);

/// <summary>AND or OR of two or more: flat, so that a long chain is no deep tree.</summary>
internal sealed record Junction(int Offset, bool IsAnd, IReadOnlyList<QueryExpression> Operands) : QueryExpression(Offset);

/// <summary>IS_DEFINED and its like: true or false, never undefined.</summary>
internal sealed record TypeTest(int Offset, QueryFunction Function, QueryExpression Operand) : QueryExpression(Offset);

/// <summary>STARTSWITH or ENDSWITH; undefined unless both are strings.</summary>
internal sealed record TextTest(int Offset, QueryFunction Function, QueryExpression Text, QueryExpression Fragment)
    : QueryExpression(Offset);

/// <summary>How two values are compared.</summary>
internal enum ComparisonOperator
{
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// <summary>The functions of twin and job queries (spec/query-language.md A3).</summary>
internal enum QueryFunction
{
    IsDefined,
    IsNull,
    IsBool,
    IsNumber,
    IsString,
    IsObject,
    IsArray,
    IsPrimitive,
    StartsWith,
    EndsWith,
}
