namespace Nave.Hub.Queries;

/// <summary>What a query may cost before it is understood.</summary>
internal static class QueryLimits
{
    /// <summary>Characters of a statement (spec/query-language.md A1).</summary>
    public const int MaxLength = 8192;

    // Every level of the text is a level of the parser's stack, of the tree and of the SQL; people write five.
    public const int MaxDepth = 50;

    // Below the variables that one statement of SQLite takes, and far above lists that people write.
    public const int MaxListElements = 1000;

    public const int MaxItems = 100;

    public const int MaxGroupPaths = 10;

    // Twins are ten levels deep (spec/service-rest.md 6.3); metadata and arrays add some.
    public const int MaxPathSteps = 32;
}
