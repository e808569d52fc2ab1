namespace Nave.Storage;

/// <summary>
/// A prepared statement of a dialect that has a shorter way to its database than ADO.NET, for what writers run most. One
/// thread at a time; the connection outlives it.
/// </summary>
public interface ISqlStatement : IDisposable
{
    /// <summary>Runs the statement to its end, and forgets the values: they may be keys, and may be large.</summary>
    /// <param name="parameters">Names and values, in the order that the statement was prepared with.</param>
    /// <returns>How many rows it changed.</returns>
    int Execute(ReadOnlySpan<(string Name, object? Value)> parameters);
}
