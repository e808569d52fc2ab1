using System.Data.Common;

namespace Nave.Hub.Queries;

/// <summary>A source's documents in SQL: how to find, order and read them.</summary>
internal abstract class QueryTable
{
    /// <summary>What whole documents are called (<see cref="QueryPage.ItemType"/>).</summary>
    public abstract string ItemType { get; }

    /// <summary>The columns that order and name a document.</summary>
    public abstract IReadOnlyList<string> Keys { get; }

    /// <summary>Paths to SQL; new for each statement.</summary>
    public abstract ISqlFields CreateFields();

    /// <summary>What must be seen to before reading, given the fields that the condition asked for.</summary>
    public virtual Task PrepareAsync(ISqlFields fields) => Task.CompletedTask;

    /// <summary>
    /// The statement that reads documents by the keys that <paramref name="page"/> selects as <c>k0</c>, <c>k1</c>, ..., in
    /// their order; the keys are its last columns.
    /// </summary>
    public abstract string ReadDocuments(string page);

    /// <summary>A document of that statement's row.</summary>
    public abstract byte[] Read(DbDataReader row);
}
