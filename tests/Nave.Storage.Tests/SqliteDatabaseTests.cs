using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;
using Nave.Storage.Schema;

namespace Nave.Storage.Tests;

/// <summary>The contract on SQLite, and what only a file can show.</summary>
public sealed class SqliteDatabaseTests : HubDatabaseContract
{
    private readonly TemporaryFolder _folder = new();

    private string File => _folder.File("nave.db");

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task What_was_completed_survives_a_kill_right_after()
    {
        await InsertAsync(1, "acknowledged");

        // The files as a SIGKILL would leave them: nothing closed, nothing checkpointed.
        using var copy = new TemporaryFolder();
        foreach (var name in new[] { "nave.db", "nave.db-wal" })
        {
            System.IO.File.Copy(_folder.File(name), copy.File(name));
        }

        await using var reopened = Open(new SqliteDialect(copy.File("nave.db")), Notes);
        Assert.Equal("acknowledged", await ReadAsync(reopened, 1));
    }

    [Fact]
    public async Task A_torn_log_tail_loses_nothing_that_was_committed_before()
    {
        await InsertAsync(1, "acknowledged");
        using var copy = new TemporaryFolder();
        System.IO.File.Copy(File, copy.File("nave.db"));
        System.IO.File.Copy(File + "-wal", copy.File("nave.db-wal"));
        await using (var tail = System.IO.File.OpenWrite(copy.File("nave.db-wal")))
        {
            tail.Seek(0, SeekOrigin.End);
            await tail.WriteAsync(new byte[1000]);
        }

        await using var reopened = Open(new SqliteDialect(copy.File("nave.db")), Notes);
        Assert.Equal("acknowledged", await ReadAsync(reopened, 1));
    }

    [Fact]
    public async Task The_writer_syncs_at_every_commit()
    {
        Assert.Equal(2, await WriteAsync(session => session.Number("PRAGMA synchronous"))); // 2 is FULL.
    }

    [Fact]
    public async Task A_full_disk_is_told_as_unavailable_and_is_over_when_there_is_room_again()
    {
        await WriteAsync(session => session.Number("PRAGMA max_page_count = 20"));

        await Assert.ThrowsAsync<StorageUnavailableException>(() => InsertAsync(1, new string('x', 1_000_000)));
        Assert.Equal(-1, await WriteAsync(new InsertUnit(1, new string('x', 1_000_000)) { Otherwise = -1 }));

        await WriteAsync(session => session.Number("PRAGMA max_page_count = 1000000"));
        await InsertAsync(1, "fits");
        await using var second = Open(Notes);
        Assert.Equal("fits", await ReadAsync(second, 1));
    }

    [Fact]
    public void Database_log_and_shared_memory_are_private()
    {
        Assert.All(
            Directory.GetFiles(_folder.Path),
            file => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(file)));
        Assert.True(System.IO.File.Exists(File));
    }

    [Fact]
    public async Task A_backup_is_made_before_a_schema_change_and_holds_the_old_data()
    {
        await InsertAsync(1, "old");
        await base.DisposeAsync();

        await using (Open(Notes with { Migrations = [.. Notes.Migrations, "DELETE FROM notes"] }))
        {
        }

        var backup = Assert.Single(Directory.GetFiles(_folder.File("backups")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(backup));
        await using var old = Open(new SqliteDialect(backup), Notes);
        Assert.Equal("old", await ReadAsync(old, 1));
    }

    [Fact]
    public void No_backup_is_made_of_a_new_database() => Assert.False(Directory.Exists(_folder.File("backups")));

    [Fact]
    public async Task A_database_of_another_program_is_refused_and_not_touched()
    {
        var foreign = _folder.File("foreign.db");
        await using (var connection = new SqliteConnection($"Data Source={foreign};Pooling=False"))
        {
            await connection.OpenAsync();
            await using var command = connection.CreateCommand();
            command.CommandText = "CREATE TABLE theirs (id INTEGER)";
            await command.ExecuteNonQueryAsync();
        }

        var before = await System.IO.File.ReadAllBytesAsync(foreign);

        Assert.Throws<NotOurDataException>(() => Open(new SqliteDialect(foreign), Notes));

        Assert.Equal(before, await System.IO.File.ReadAllBytesAsync(foreign));
    }

    protected override SqlDialect OpenDialect() => new SqliteDialect(File);

    private static HubDatabase Open(SqlDialect dialect, params SchemaPart[] parts) =>
        HubDatabase.Open(dialect, parts, TimeProvider.System, NullLogger<HubDatabase>.Instance);
}
