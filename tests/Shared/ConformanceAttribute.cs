namespace Nave.Tests;

/// <summary>
/// Names the row of a spec file's conformance checklist that a test covers. A test of its own fails for rows that have
/// neither a test nor an entry in docs/protocol-support.md.
/// </summary>
[AttributeUsage(AttributeTargets.Method | AttributeTargets.Class, AllowMultiple = true)]
public sealed class ConformanceAttribute(string spec, params int[] rows) : Attribute
{
    /// <summary>The spec file's name without extension.</summary>
    public string Spec { get; } = spec;

    /// <summary>The numbers of the rows.</summary>
    public IReadOnlyList<int> Rows { get; } = rows;
}
