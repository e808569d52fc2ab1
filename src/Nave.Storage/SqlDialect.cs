using System.Data.Common;

namespace Nave.Storage;

/// <summary>
/// What differs between SQL databases, and nothing else: opening connections, words for types, what a backup is.
/// Statements themselves are common SQL with <c>@name</c> parameters, <c>ON CONFLICT</c> and <c>RETURNING</c>.
/// </summary>
public abstract class SqlDialect
{
    /// <summary>Names the database to an operator; holds no secret.</summary>
    public abstract string Description { get; }

    /// <summary>Opens the one connection that writes; creates the database when there is none.</summary>
    public abstract DbConnection OpenWriter();

    /// <summary>Opens a connection that only reads, beside the writer.</summary>
    public abstract DbConnection OpenReader();

    /// <summary>The statement that begins a batch of writes.</summary>
    public abstract string BeginWrite { get; }

    /// <summary>
    /// Prepares a statement for <see cref="SqlSession.Execute"/> where the dialect has a shorter way to its database than
    /// ADO.NET; null where it has none, or none for this text.
    /// </summary>
    public virtual ISqlStatement? Prepare(DbConnection connection, string sql, ReadOnlySpan<(string Name, object? Value)> parameters) => null;

    /// <summary>Whether the connection is inside a transaction: a full disk may have ended it.</summary>
    public abstract bool IsInTransaction(DbConnection connection);

    /// <summary>Puts the dialect's words for <c>{blob}</c>, <c>{long}</c>, <c>{text}</c>, <c>{json}</c> and <c>{keyed}</c> into a statement of a schema.</summary>
    public abstract string Translate(string schemaStatement);

    /// <summary>Copies the whole database, synced to disk when it returns.</summary>
    /// <returns>Where the copy lies, for the log.</returns>
    public abstract string BackUp(DbConnection writer, string label);

    /// <summary>What a clean stop does with the writer's connection before it closes.</summary>
    public abstract void Checkpoint(DbConnection writer);

    /// <summary>Whether the exception says that the database cannot be written now (full, read-only, gone), rather than that a statement is wrong.</summary>
    public abstract bool IsUnavailable(DbException exception);

    /// <summary>Words for JSON in statements that are put together.</summary>
    public abstract JsonSql Json { get; }

    /// <summary>
    /// From now on statements of the connection, being prepared or running, look at the token every millisecond or so, and
    /// fail when it is cancelled; null ends that.
    /// </summary>
    public abstract void Watch(DbConnection connection, CancellationToken? stopping);

    /// <summary>Whether the exception is what <see cref="Watch"/> led to.</summary>
    public abstract bool IsInterrupted(DbException exception);
}
