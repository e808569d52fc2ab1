namespace Nave.Hub.Queries;

/// <summary>Section <c>Queries</c>.</summary>
public sealed class QueryOptions
{
    /// <summary>Paths below tags and properties that have an index, whatever is asked: <c>tags.site</c>.</summary>
    public IReadOnlyList<string> IndexedPaths { get; set; } = [];

    /// <summary>How long one page may take.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(30);
}
