using System.Data.Common;

namespace Nave.Storage;

/// <summary>
/// One connection and its prepared statements. Handed to a unit of work for as long as it runs; one thread at a time.
/// A statement's text is its key, so texts are constants and values are parameters.
/// </summary>
public sealed class SqlSession : IDisposable
{
    // Constants of the stores number a few dozens; the texts of ad-hoc queries beyond that are not kept.
    private const int MaxPrepared = 256;

    // Of queries that are put together: the pages of one differ in values only. Longer texts than this name what they look for.
    private const int MaxRecent = 16;
    private const int MaxRecentText = 8192;

    private readonly SqlDialect _dialect;
    private readonly DbConnection _connection;
    private readonly Dictionary<string, DbCommand> _prepared = [];

    // The latest used comes last.
    private readonly List<DbCommand> _recent = [];

    // Null for a text that the dialect has no shorter way for.
    private readonly Dictionary<string, ISqlStatement?> _statements = [];

    internal SqlSession(SqlDialect dialect, DbConnection connection)
    {
        _dialect = dialect;
        _connection = connection;
    }

    /// <summary>Runs a statement.</summary>
    /// <returns>How many rows it changed: zero is how a conditional write says no.</returns>
    public int Execute(string sql, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        if (FindStatement(sql, parameters) is { } statement)
        {
            return statement.Execute(parameters);
        }

        var command = Prepare(sql, parameters, out var isKept);
        try
        {
            return command.ExecuteNonQuery();
        }
        finally
        {
            Release(command, isKept);
        }
    }

    /// <summary>The rows of a query, each read by <paramref name="read"/>.</summary>
    public List<T> List<T>(string sql, Func<DbDataReader, T> read, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        var command = Prepare(sql, parameters, out var isKept);
        try
        {
            using var reader = command.ExecuteReader();
            var rows = new List<T>();
            while (reader.Read())
            {
                rows.Add(read(reader));
            }

            return rows;
        }
        finally
        {
            Release(command, isKept);
        }
    }

    /// <summary>
    /// Reads a query whose text was put together: only the last few such statements are kept. Ends when
    /// <paramref name="takesMore"/>, called with each row, says no.
    /// </summary>
    public void ReadPart(string sql, ReadOnlySpan<(string Name, object? Value)> parameters, Func<DbDataReader, bool> takesMore)
    {
        var command = TakeRecent(sql) ?? Create(sql, parameters);
        var isKept = false;
        try
        {
            SetValues(command, parameters);
            using (var reader = command.ExecuteReader())
            {
                while (reader.Read() && takesMore(reader))
                {
                }
            }

            isKept = sql.Length <= MaxRecentText;
        }
        finally
        {
            Release(command, isKept);
            if (isKept)
            {
                KeepRecent(command);
            }
        }
    }

    /// <summary>The first row of a query, or null.</summary>
    public T? Find<T>(string sql, Func<DbDataReader, T> read, params ReadOnlySpan<(string Name, object? Value)> parameters)
        where T : class
    {
        var command = Prepare(sql, parameters, out var isKept);
        try
        {
            using var reader = command.ExecuteReader();
            return reader.Read() ? read(reader) : null;
        }
        finally
        {
            Release(command, isKept);
        }
    }

    /// <summary>The first value of the first row as a number; null when there is no row or it is null.</summary>
    public long? Number(string sql, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        var command = Prepare(sql, parameters, out var isKept);
        try
        {
            return command.ExecuteScalar() is { } value and not DBNull ? Convert.ToInt64(value) : null;
        }
        finally
        {
            Release(command, isKept);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var command in _prepared.Values.Concat(_recent))
        {
            command.Dispose();
        }

        foreach (var statement in _statements.Values)
        {
            statement?.Dispose();
        }

        _prepared.Clear();
        _recent.Clear();
        _statements.Clear();
        _connection.Dispose();
    }

    internal void Watch(CancellationToken? stopping) => _dialect.Watch(_connection, stopping);

    private ISqlStatement? FindStatement(string sql, ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        if (!_statements.TryGetValue(sql, out var statement) && _statements.Count < MaxPrepared)
        {
            _statements[sql] = statement = _dialect.Prepare(_connection, sql, parameters);
        }

        return statement;
    }

    private DbCommand Prepare(string sql, ReadOnlySpan<(string Name, object? Value)> parameters, out bool isKept)
    {
        isKept = true;
        if (!_prepared.TryGetValue(sql, out var command))
        {
            command = Create(sql, parameters);
            isKept = _prepared.Count < MaxPrepared;
            if (isKept)
            {
                _prepared[sql] = command;
            }
        }

        SetValues(command, parameters);
        return command;
    }

    private static void SetValues(DbCommand command, ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        for (var i = 0; i < parameters.Length; i++)
        {
            command.Parameters[i].Value = parameters[i].Value ?? DBNull.Value;
        }
    }

    // Taken out while it runs: who reads its rows may ask something of the same text.
    private DbCommand? TakeRecent(string sql)
    {
        var place = _recent.FindLastIndex(command => command.CommandText == sql);
        if (place < 0)
        {
            return null;
        }

        var command = _recent[place];
        _recent.RemoveAt(place);
        return command;
    }

    private void KeepRecent(DbCommand command)
    {
        if (_recent.Count == MaxRecent)
        {
            _recent[0].Dispose();
            _recent.RemoveAt(0);
        }

        _recent.Add(command);
    }

    private DbCommand Create(string sql, ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        var command = _connection.CreateCommand();
        command.CommandText = sql;
        foreach (var (name, _) in parameters)
        {
            var parameter = command.CreateParameter();
            parameter.ParameterName = name;
            command.Parameters.Add(parameter);
        }

        return command;
    }

    // A kept statement forgets its values: they may be keys, and may be large.
    private static void Release(DbCommand command, bool isKept)
    {
        if (!isKept)
        {
            command.Dispose();
            return;
        }

        foreach (DbParameter parameter in command.Parameters)
        {
            parameter.Value = DBNull.Value;
        }
    }
}
