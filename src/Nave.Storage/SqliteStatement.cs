using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Nave.Storage;

/// <summary>
/// A statement on SQLite's own interface: no command, reader and parameter objects between a unit and the database. It
/// means what the same statement means to Microsoft.Data.Sqlite, whose exceptions it throws.
/// </summary>
internal sealed class SqliteStatement : ISqlStatement
{
    // Longer texts than this take an array to become UTF-8.
    private const int MaxStackBytes = 512;

    private readonly sqlite3 _database;
    private readonly sqlite3_stmt _statement;
    private readonly int[] _places;
    private readonly bool _changesNothing;

    private SqliteStatement(sqlite3 database, sqlite3_stmt statement, int[] places)
    {
        _database = database;
        _statement = statement;
        _places = places;
        _changesNothing = raw.sqlite3_stmt_readonly(statement) != 0;
    }

    /// <summary>Prepares a statement; says no to a text of several, and where parameters and text do not match.</summary>
    public static bool TryPrepare(
        SqliteConnection connection, string sql, ReadOnlySpan<(string Name, object? Value)> parameters, [NotNullWhen(true)] out SqliteStatement? prepared)
    {
        prepared = null;
        var database = connection.Handle!;
        var result = raw.sqlite3_prepare_v3(database, sql, raw.SQLITE_PREPARE_PERSISTENT, out var statement, out var tail);
        SqliteException.ThrowExceptionForRC(result, database);
        var places = new int[parameters.Length];
        var named = 0;
        for (var i = 0; i < places.Length; i++)
        {
            places[i] = raw.sqlite3_bind_parameter_index(statement, parameters[i].Name);
            named += places[i] == 0 ? 0 : 1;
        }

        if (statement.IsInvalid || !string.IsNullOrWhiteSpace(tail) || named != places.Length || named != raw.sqlite3_bind_parameter_count(statement))
        {
            statement.Dispose();
            return false;
        }

        prepared = new SqliteStatement(database, statement, places);
        return true;
    }

    /// <inheritdoc/>
    public int Execute(ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        try
        {
            for (var i = 0; i < parameters.Length; i++)
            {
                Check(Bind(_places[i], parameters[i].Value));
            }

            int result;
            do
            {
                result = raw.sqlite3_step(_statement);
            }
            while (result is raw.SQLITE_ROW);

            Check(result);
            return _changesNothing ? 0 : raw.sqlite3_changes(_database);
        }
        finally
        {
            raw.sqlite3_reset(_statement); // What it says is what the last step said.
            if (_places.Length > 0)
            {
                raw.sqlite3_clear_bindings(_statement);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _statement.Dispose();

    private int Bind(int place, object? value) => value switch
    {
        null => raw.sqlite3_bind_null(_statement, place),
        string text => BindText(place, text),
        long number => raw.sqlite3_bind_int64(_statement, place, number),
        int number => raw.sqlite3_bind_int64(_statement, place, number),
        bool truth => raw.sqlite3_bind_int64(_statement, place, truth ? 1 : 0),
        byte[] bytes => raw.sqlite3_bind_blob(_statement, place, bytes),
        double number => raw.sqlite3_bind_double(_statement, place, number),
        DBNull => raw.sqlite3_bind_null(_statement, place),
        Enum word => raw.sqlite3_bind_int64(_statement, place, Convert.ToInt64(word, CultureInfo.InvariantCulture)),
        _ => throw new InvalidOperationException($"A {value.GetType().Name} cannot be a parameter of a statement."),
    };

    private int BindText(int place, string text)
    {
        Span<byte> bytes = stackalloc byte[MaxStackBytes];
        return Encoding.UTF8.TryGetBytes(text, bytes, out var length)
            ? raw.sqlite3_bind_text(_statement, place, bytes[..length])
            : raw.sqlite3_bind_text(_statement, place, Encoding.UTF8.GetBytes(text).AsSpan());
    }

    private void Check(int result)
    {
        if (result is not (raw.SQLITE_OK or raw.SQLITE_DONE))
        {
            SqliteException.ThrowExceptionForRC(result, _database);
        }
    }
}
