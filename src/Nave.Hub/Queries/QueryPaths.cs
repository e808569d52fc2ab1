namespace Nave.Hub.Queries;

/// <summary>Which paths a condition reads.</summary>
internal static class QueryPaths
{
    /// <summary>All of them, in no order.</summary>
    public static IEnumerable<QueryPath> In(QueryExpression? expression) => expression switch
    {
        PathValue value => [value.Path],
        Negation negation => In(negation.Operand),
        Inversion inversion => In(inversion.Operand),
        Membership membership => In(membership.Operand),
        TypeTest test => In(test.Operand),
        Arithmetic arithmetic => [.. In(arithmetic.Left), .. In(arithmetic.Right)],
        Comparison comparison => [.. In(comparison.Left), .. In(comparison.Right)],
        TextTest test => [.. In(test.Text), .. In(test.Fragment)],
        Junction junction => junction.Operands.SelectMany(In),
        _ => [],
    };
}
