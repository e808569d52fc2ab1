using Nave.Storage;

namespace Nave.Hub.Queries;

/// <summary>How the paths of a source become SQL.</summary>
internal interface ISqlFields
{
    /// <summary>Where rows come from, with the joins that the paths resolved until now need.</summary>
    string From { get; }

    /// <summary>What rows must be beside the condition.</summary>
    string Filter { get; }

    /// <summary>The value at a path; <see cref="SqlOperand.Undefined"/> where there is never one.</summary>
    SqlOperand Resolve(QueryPath path, JsonSql json);
}
