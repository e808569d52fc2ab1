using System.Text.Json;
using Nave.Hub.Queries;

namespace Nave.Hub.Tests.Queries;

/// <summary>
/// The language's rules once more, the plain way: a condition over one document in memory. What SQL finds must be what this
/// finds (spec/query-language.md A3).
/// </summary>
internal static class QueryOracle
{
    /// <summary>Whether the document is selected: only by true itself.</summary>
    public static bool Selects(QueryExpression? where, JsonElement document) =>
        where is null || Evaluate(where, document) is { Kind: ValueKind.Boolean, Boolean: true };

    public static Value Evaluate(QueryExpression expression, JsonElement document) => expression switch
    {
        QueryLiteral literal => new Value(literal.Kind, literal.Text, literal.Number, literal.Boolean),
        PathValue path => OfJson(QueryRows.Find(document, path.Path)),
        Negation negation => Evaluate(negation.Operand, document) is { Kind: ValueKind.Number } n ? Number(-n.Number) : default,
        Arithmetic arithmetic => Compute(arithmetic.Operator, Evaluate(arithmetic.Left, document), Evaluate(arithmetic.Right, document)),
        Comparison comparison => Truth(Compare(comparison.Operator, Evaluate(comparison.Left, document), Evaluate(comparison.Right, document))),
        Membership membership => Contains(membership, Evaluate(membership.Operand, document)),
        Inversion inversion => Truth(!AsTruth(Evaluate(inversion.Operand, document))),
        Junction junction => Join(junction, document),
        TypeTest test => Truth(Test(test.Function, Evaluate(test.Operand, document).Kind)),
        TextTest test => Test(test, Evaluate(test.Text, document), Evaluate(test.Fragment, document)),
        _ => throw new InvalidOperationException(expression.ToString()),
    };

    private static Value OfJson(JsonElement? element) => element is not { } value ? default : value.ValueKind switch
    {
        JsonValueKind.String => new Value(ValueKind.String, value.GetString()!),
        JsonValueKind.Number => Number(value.GetDouble()),
        JsonValueKind.True => Truth(true),
        JsonValueKind.False => Truth(false),
        JsonValueKind.Null => new Value(ValueKind.Null),
        JsonValueKind.Object => new Value(ValueKind.Object),
        _ => new Value(ValueKind.Array),
    };

    private static Value Number(double number) => double.IsNaN(number) ? default : new Value(ValueKind.Number, Number: number);

    private static Value Truth(bool? truth) => truth is { } value ? new Value(ValueKind.Boolean, Boolean: value) : default;

    private static bool? AsTruth(Value value) => value.Kind is ValueKind.Boolean ? value.Boolean : null;

    private static Value Compute(char sign, Value left, Value right) =>
        left.Kind is not ValueKind.Number || right.Kind is not ValueKind.Number || (sign is '/' or '%' && right.Number == 0) ? default
        : Number(sign switch
        {
            '+' => left.Number + right.Number,
            '-' => left.Number - right.Number,
            '*' => left.Number * right.Number,
            '/' => left.Number / right.Number,
            _ => left.Number % right.Number,
        });

    private static bool? Compare(ComparisonOperator sign, Value left, Value right)
    {
        if (left.Kind != right.Kind)
        {
            return null;
        }

        int? order = left.Kind switch
        {
            ValueKind.String => string.CompareOrdinal(left.Text, right.Text),
            ValueKind.Number => left.Number.CompareTo(right.Number),
            ValueKind.Boolean => left.Boolean.CompareTo(right.Boolean),
            ValueKind.Null => 0,
            _ => null,
        };
        return sign switch
        {
            _ when order is null => null,
            ComparisonOperator.Equal => order == 0,
            ComparisonOperator.NotEqual => order != 0,
            ComparisonOperator.Less => order < 0,
            ComparisonOperator.LessOrEqual => order <= 0,
            ComparisonOperator.Greater => order > 0,
            _ => order >= 0,
        };
    }

    private static Value Contains(Membership membership, Value operand)
    {
        if (operand.Kind is ValueKind.Undefined or ValueKind.Object or ValueKind.Array)
        {
            return default;
        }

        var found = membership.Elements.Any(
            element => Compare(ComparisonOperator.Equal, operand, new Value(element.Kind, element.Text, element.Number, element.Boolean)) is true);
        return Truth(found != membership.IsNegated);
    }

    private static Value Join(Junction junction, JsonElement document)
    {
        var truths = junction.Operands.Select(operand => AsTruth(Evaluate(operand, document))).ToList();
        return Truth(truths.Contains(!junction.IsAnd) ? !junction.IsAnd : truths.Contains(null) ? null : junction.IsAnd);
    }

    private static bool Test(QueryFunction function, ValueKind kind) => function switch
    {
        QueryFunction.IsDefined => kind is not ValueKind.Undefined,
        QueryFunction.IsNull => kind is ValueKind.Null,
        QueryFunction.IsBool => kind is ValueKind.Boolean,
        QueryFunction.IsNumber => kind is ValueKind.Number,
        QueryFunction.IsString => kind is ValueKind.String,
        QueryFunction.IsObject => kind is ValueKind.Object,
        QueryFunction.IsArray => kind is ValueKind.Array,
        _ => kind is ValueKind.Null or ValueKind.Boolean or ValueKind.Number or ValueKind.String,
    };

    private static Value Test(TextTest test, Value text, Value fragment) =>
        text.Kind is not ValueKind.String || fragment.Kind is not ValueKind.String ? default
        : Truth(test.Function is QueryFunction.StartsWith
            ? text.Text.StartsWith(fragment.Text, StringComparison.Ordinal)
            : text.Text.EndsWith(fragment.Text, StringComparison.Ordinal));

    /// <summary>A value; nothing set is undefined.</summary>
    internal readonly record struct Value(ValueKind Kind, string Text = "", double Number = 0, bool Boolean = false);
}
