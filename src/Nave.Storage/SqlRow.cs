using System.Data.Common;
using System.Text;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Nave.Storage;

/// <summary>
/// Columns of a row by a shorter way than ADO.NET where the dialect has one, for queries that read thousands of them: bytes
/// without an array, numbers and texts without asking the database what they are. Only until the reader moves on.
/// </summary>
public readonly ref struct SqlRow
{
    private readonly DbDataReader _row;
    private readonly sqlite3_stmt? _statement;

    /// <summary>The row that a reader stands at.</summary>
    public SqlRow(DbDataReader row)
    {
        _row = row;
        _statement = (row as SqliteDataReader)?.Handle;
    }

    /// <summary>Whether there is no value.</summary>
    public bool IsNull(int column) =>
        _statement is null ? _row.IsDBNull(column) : raw.sqlite3_column_type(_statement, column) is raw.SQLITE_NULL;

    /// <summary>A number.</summary>
    public long Number(int column) => _statement is null ? _row.GetInt64(column) : raw.sqlite3_column_int64(_statement, column);

    /// <summary>A text or JSON as UTF-8; empty where there is no value.</summary>
    public ReadOnlySpan<byte> Utf8(int column) =>
        _statement is not null ? raw.sqlite3_column_blob(_statement, column)
        : _row.IsDBNull(column) ? []
        : _row.GetFieldValue<byte[]>(column);

    /// <summary>A text.</summary>
    public string Text(int column) => _statement is null ? _row.GetString(column) : Encoding.UTF8.GetString(Utf8(column));

    /// <summary>A text, or null where there is none.</summary>
    public string? OptionalText(int column) => IsNull(column) ? null : Text(column);
}
