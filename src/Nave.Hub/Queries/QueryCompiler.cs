using System.Globalization;
using Nave.Storage;

namespace Nave.Hub.Queries;

/// <summary>
/// A checked condition to SQL of the store's dialect. True is 1, false 0, undefined NULL: SQL's own AND, OR and NOT are then
/// those of the language (spec/query-language.md A3). Literals become parameters; of a query's text only names of paths
/// reach the statement, quoted by the dialect.
/// </summary>
internal sealed class QueryCompiler(ISqlFields fields, JsonSql json)
{
    private const string UndefinedValue = "NULL";

    private readonly List<(string Name, object? Value)> _parameters = [];

    /// <summary>What the statement's parameters are.</summary>
    public IReadOnlyList<(string Name, object? Value)> Parameters => _parameters;

    /// <summary>The paths below tags or properties that the condition needs to equal something.</summary>
    public List<QueryPath> EqualPaths { get; } = [];

    /// <summary>
    /// A condition for WHERE: exact, with a coarser one before it wherever equality with literals is needed. That one is
    /// what an index can serve, and cheaper where there is none.
    /// </summary>
    public string Where(QueryExpression? where)
    {
        if (where is null)
        {
            return fields.Filter;
        }

        var coarse = Conjuncts(where).Select(Coarse).Where(sql => sql is not null);
        return string.Join(" AND ", [fields.Filter, .. coarse, $"({Truth(where)})"]);
    }

    /// <summary>A parameter of that value.</summary>
    public string Parameter(object? value)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"@q{_parameters.Count}");
        _parameters.Add((name, value));
        return name;
    }

    /// <summary>The values at a path.</summary>
    public SqlOperand Operand(QueryPath path) => fields.Resolve(path, json);

    private static IEnumerable<QueryExpression> Conjuncts(QueryExpression where) =>
        where is Junction { IsAnd: true } all ? all.Operands.SelectMany(Conjuncts) : [where];

    private string? Coarse(QueryExpression conjunct)
    {
        var (path, literals) = conjunct switch
        {
            Comparison { Operator: ComparisonOperator.Equal, Left: PathValue left, Right: QueryLiteral right } => (left.Path, [right]),
            Comparison { Operator: ComparisonOperator.Equal, Left: QueryLiteral left, Right: PathValue right } => (right.Path, [left]),
            Membership { IsNegated: false, Operand: PathValue operand } member => (operand.Path, member.Elements),
            _ => (null, (IReadOnlyList<QueryLiteral>)[]),
        };
        if (path is null || literals.Count == 0 || literals.Any(literal => literal.Kind is not (ValueKind.String or ValueKind.Number or ValueKind.Boolean))
            || Operand(path).Indexed is not { } indexed)
        {
            return null;
        }

        if (path.Root is "tags" or "properties")
        {
            EqualPaths.Add(path);
        }

        var values = literals.Select(literal => Parameter(literal.Kind switch
        {
            ValueKind.String => literal.Text,
            ValueKind.Number => literal.Number,
            _ => literal.Boolean ? 1L : 0L,
        }));
        return literals.Count == 1 ? $"{indexed} = {values.Single()}" : $"{indexed} IN ({string.Join(", ", values)})";
    }

    private string Truth(QueryExpression expression) => expression switch
    {
        Junction junction => Balanced(junction.Operands, junction.IsAnd ? " AND " : " OR "),
        Inversion inversion => $"(NOT {Truth(inversion.Operand)})",
        Comparison comparison => Compare(comparison),
        Membership membership => Contains(membership),
        TypeTest test => Test(test),
        TextTest { Function: QueryFunction.StartsWith } test => OfTexts(test, json.StartsWith),
        TextTest test => OfTexts(test, json.EndsWith),
        _ => OperandOf(expression).Boolean ?? UndefinedValue,
    };

    // As flat a tree as can be: SQLite bounds its depth.
    private string Balanced(IReadOnlyList<QueryExpression> operands, string word)
    {
        if (operands.Count == 1)
        {
            return Truth(operands[0]);
        }

        var half = operands.Count / 2;
        return $"({Balanced([.. operands.Take(half)], word)}{word}{Balanced([.. operands.Skip(half)], word)})";
    }

    private SqlOperand OperandOf(QueryExpression expression) => expression switch
    {
        PathValue value => Operand(value.Path),
        QueryLiteral literal => Literal(literal),
        Negation negation => OperandOf(negation.Operand).Number is { } number ? Computed($"(- {number})") : SqlOperand.Undefined,
        Arithmetic arithmetic => Compute(arithmetic),
        _ => Judged(Truth(expression)),
    };

    private static SqlOperand Judged(string truth) => new() { Boolean = truth, Defined = $"(({truth}) IS NOT NULL)" };

    private static SqlOperand Computed(string number) => new() { Number = number, Defined = $"({number} IS NOT NULL)" };

    private SqlOperand Literal(QueryLiteral literal) => literal.Kind switch
    {
        ValueKind.String => SqlOperand.OfText(Parameter(literal.Text)) with { IsPlainText = literal.Text.AsSpan().IndexOfAnyInRange('\ud800', '\uffff') < 0 },
        ValueKind.Number => SqlOperand.OfNumber(Parameter(literal.Number)),
        ValueKind.Boolean => new SqlOperand { Boolean = Parameter(literal.Boolean ? 1L : 0L), Defined = "1" },
        ValueKind.Null => new SqlOperand { Null = "1", Defined = "1" },
        _ => SqlOperand.Undefined,
    };

    // spec/query-language.md A3: floating point; a division by zero is undefined, as is what is no number.
    private SqlOperand Compute(Arithmetic arithmetic)
    {
        if (OperandOf(arithmetic.Left).Number is not { } left || OperandOf(arithmetic.Right).Number is not { } right)
        {
            return SqlOperand.Undefined;
        }

        left = $"CAST({left} AS REAL)";
        right = $"CAST({right} AS REAL)";
        return Computed(arithmetic.Operator is '%' ? json.Remainder(left, right) : $"({left} {arithmetic.Operator} {right})");
    }

    private string Compare(Comparison comparison)
    {
        var left = OperandOf(comparison.Left);
        var right = OperandOf(comparison.Right);
        var sign = comparison.Operator switch
        {
            ComparisonOperator.Equal => "=",
            ComparisonOperator.NotEqual => "<>",
            ComparisonOperator.Less => "<",
            ComparisonOperator.LessOrEqual => "<=",
            ComparisonOperator.Greater => ">",
            _ => ">=",
        };
        var order = comparison.Operator is ComparisonOperator.Equal or ComparisonOperator.NotEqual || left.IsPlainText || right.IsPlainText
            ? "" : json.OrderedByUtf16;
        var isEqual = comparison.Operator is ComparisonOperator.Equal or ComparisonOperator.LessOrEqual or ComparisonOperator.GreaterOrEqual;
        return FirstDefined(
            left.Text is not null && right.Text is not null ? $"({left.Text} {sign} {right.Text}{order})" : null,
            left.Number is not null && right.Number is not null ? $"({left.Number} {sign} {right.Number})" : null,
            left.Boolean is not null && right.Boolean is not null ? $"({left.Boolean} {sign} {right.Boolean})" : null,
            left.Null is not null && right.Null is not null ? $"CASE WHEN {left.Null} AND {right.Null} THEN {(isEqual ? 1 : 0)} END" : null);
    }

    private static string FirstDefined(params ReadOnlySpan<string?> parts)
    {
        List<string> there = [];
        foreach (var part in parts)
        {
            if (part is not null)
            {
                there.Add(part);
            }
        }

        return there.Count switch
        {
            0 => UndefinedValue,
            1 => there[0],
            _ => $"coalesce({string.Join(", ", there)})",
        };
    }

    // A value of a type that no element has is in no list: false, where a comparison would be undefined. Only what is
    // undefined, or no primitive, stays so, for NIN too.
    private string Contains(Membership membership)
    {
        var operand = OperandOf(membership.Operand);
        var elements = membership.Elements;

        // One type: once in the statement, or lists of lists would double it at each level.
        if (operand is { Null: null, Object: null, Array: null } && OnlyOf(operand) is { } single)
        {
            var within = In(single.Sql, single.Kind, elements) ?? $"CASE WHEN {single.Sql} IS NOT NULL THEN 0 END";
            return membership.IsNegated ? $"(NOT {within})" : within;
        }

        var isPrimitive = FirstDefined(
            operand.Text is { } text ? $"CASE WHEN {text} IS NOT NULL THEN 1 END" : null,
            operand.Number is { } number ? $"CASE WHEN {number} IS NOT NULL THEN 1 END" : null,
            operand.Boolean is { } boolean ? $"CASE WHEN {boolean} IS NOT NULL THEN 1 END" : null,
            operand.Null is { } isNull ? $"CASE WHEN {isNull} THEN 1 END" : null);
        var found = FirstDefined(
            In(operand.Text, ValueKind.String, elements),
            In(operand.Number, ValueKind.Number, elements),
            In(operand.Boolean, ValueKind.Boolean, elements),
            operand.Null is not null && elements.Any(element => element.Kind is ValueKind.Null) ? $"CASE WHEN {operand.Null} THEN 1 END" : null,
            "0");
        return $"CASE WHEN {isPrimitive} THEN {(membership.IsNegated ? $"NOT {found}" : found)} END";
    }

    private static (string Sql, ValueKind Kind)? OnlyOf(SqlOperand operand) => operand switch
    {
        { Text: { } text, Number: null, Boolean: null } => (text, ValueKind.String),
        { Text: null, Number: { } number, Boolean: null } => (number, ValueKind.Number),
        { Text: null, Number: null, Boolean: { } boolean } => (boolean, ValueKind.Boolean),
        _ => null,
    };

    private string? In(string? operand, ValueKind kind, IReadOnlyList<QueryLiteral> elements)
    {
        var values = elements.Where(element => element.Kind == kind).Select(element => Parameter(kind switch
        {
            ValueKind.String => element.Text,
            ValueKind.Number => element.Number,
            _ => element.Boolean ? 1L : 0L,
        })).ToList();
        return operand is null || values.Count == 0 ? null : $"({operand} IN ({string.Join(", ", values)}))";
    }

    private string Test(TypeTest test)
    {
        var operand = OperandOf(test.Operand);
        return test.Function switch
        {
            QueryFunction.IsDefined => operand.Defined ?? "0",
            QueryFunction.IsNull => operand.Null is { } isNull ? $"coalesce({isNull}, 0)" : "0",
            QueryFunction.IsBool => IsThere(operand.Boolean),
            QueryFunction.IsNumber => IsThere(operand.Number),
            QueryFunction.IsString => IsThere(operand.Text),
            QueryFunction.IsObject => IsThere(operand.Object),
            QueryFunction.IsArray => IsThere(operand.Array),
            _ => $"({IsThere(operand.Text)} OR {IsThere(operand.Number)} OR {IsThere(operand.Boolean)} OR {(operand.Null is { } n ? $"coalesce({n}, 0)" : "0")})",
        };
    }

    private static string IsThere(string? sql) => sql is null ? "0" : $"(({sql}) IS NOT NULL)";

    private string OfTexts(TextTest test, Func<string, string, string> sql) =>
        OperandOf(test.Text).Text is { } text && OperandOf(test.Fragment).Text is { } fragment ? sql(text, fragment) : UndefinedValue;
}
