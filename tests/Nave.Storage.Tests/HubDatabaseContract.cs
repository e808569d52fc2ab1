using Microsoft.Extensions.Logging.Abstractions;
using Nave.Storage.Schema;

namespace Nave.Storage.Tests;

/// <summary>What every SQL dialect must keep of <see cref="HubDatabase"/>'s promises. One class per dialect derives from it.</summary>
public abstract class HubDatabaseContract : IAsyncLifetime
{
    protected static readonly SchemaPart Notes = new(
        "notes", ["CREATE TABLE notes (id {long} NOT NULL PRIMARY KEY, body {text} NOT NULL) {keyed}"]);

    private HubDatabase? _database;

    private HubDatabase Database => _database!;

    /// <summary>The same database each time it is asked for within one test.</summary>
    protected abstract SqlDialect OpenDialect();

    public virtual ValueTask InitializeAsync()
    {
        _database = Open(Notes);
        return ValueTask.CompletedTask;
    }

    public virtual async ValueTask DisposeAsync()
    {
        if (_database is not null)
        {
            await _database.DisposeAsync();
        }

        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task A_completed_write_is_seen_by_readers()
    {
        await InsertAsync(1, "one");

        Assert.Equal("one", await ReadAsync(Database, 1));
    }

    [Fact]
    public async Task A_look_up_sees_completed_writes_on_a_thread_of_the_pool_and_on_any_other()
    {
        await InsertAsync(1, "one");
        ValueTask<string?> LookUpAsync() => Database.LookUpAsync(
            1L, (session, id) => session.Find("SELECT body FROM notes WHERE id = @id", row => row.GetString(0), ("@id", id)), default);

        Task<string?>? elsewhere = null;
        var thread = new Thread(() => elsewhere = LookUpAsync().AsTask());
        thread.Start();
        thread.Join();

        Assert.Equal("one", await Task.Run(async () => await LookUpAsync()));
        Assert.Equal("one", await elsewhere!);
    }

    [Fact]
    public async Task A_query_that_is_put_together_takes_its_values_anew_and_ends_when_told()
    {
        for (var i = 1; i <= 3; i++)
        {
            await InsertAsync(i, $"note {i}");
        }

        const string From = "SELECT id, body FROM notes WHERE id >= @id ORDER BY id";
        var seen = await Database.ReadAsync(
            session =>
            {
                var rows = new List<string>();
                session.ReadPart(From, [("@id", 1L)], row =>
                {
                    rows.Add(row.GetString(1));
                    session.ReadPart(From, [("@id", row.GetInt64(0) + 1)], next => rows.Count == 0 || Add(rows, next.GetString(1)));
                    return rows.Count < 4;
                });
                for (var i = 0; i < 100; i++)
                {
                    session.ReadPart($"{From} LIMIT {i % 20 + 1}", [("@id", 3L)], row => i < 99 || Add(rows, row.GetString(1)));
                }

                Assert.ThrowsAny<InvalidOperationException>(() => session.ReadPart(From, [("@id", 2L)], _ => throw new InvalidOperationException()));
                session.ReadPart(From, [("@id", 2L)], row => Add(rows, row.GetString(1)));
                return rows;
            },
            default);

        Assert.Equal(["note 1", "note 2", "note 2", "note 3", "note 3", "note 2"], seen);

        static bool Add(List<string> rows, string body)
        {
            rows.Add(body);
            return false;
        }
    }

    [Fact]
    public async Task A_row_reads_the_same_by_the_short_way()
    {
        var read = await Database.ReadAsync(
            session => session.Find("SELECT 'ü', 5, NULL, '', '{}'", reader =>
            {
                var row = new SqlRow(reader);
                return $"{row.Text(0)} {row.Utf8(0).Length} {row.Number(1)} {row.IsNull(1)} {row.IsNull(2)} {row.OptionalText(2) ?? "none"} "
                    + $"{row.Utf8(2).Length} '{row.OptionalText(3)}' {row.Text(4)}";
            }),
            default);

        Assert.Equal("ü 2 5 False True none 0 '' {}", read);
    }

    [Fact]
    public async Task A_look_up_that_fails_fails_its_caller_and_keeps_no_reader()
    {
        for (var i = 0; i < 20; i++)
        {
            await Assert.ThrowsAsync<FormatException>(async () => await Database.LookUpAsync<int, string>(0, (_, _) => throw new FormatException(), default));
        }

        Assert.Null(await ReadAsync(Database, 1));
    }

    [Fact]
    public async Task A_completed_write_is_there_after_reopening()
    {
        await InsertAsync(1, "one");

        await ReopenAsync(Notes);

        Assert.Equal("one", await ReadAsync(Database, 1));
    }

    [Fact]
    public async Task A_unit_that_throws_fails_its_own_caller_and_undoes_its_own_changes_only()
    {
        // All three are queued while the writer is held, so that they share a commit.
        using var gate = new ManualResetEventSlim();
        var held = Database.WriteAsync(_ => gate.Wait(), default);
        var before = InsertAsync(1, "before");
        var failing = Database.WriteAsync(
            session =>
            {
                session.Execute("INSERT INTO notes (id, body) VALUES (2, 'undone')");
                throw new FormatException("on purpose");
            },
            default);
        var after = InsertAsync(3, "after");
        gate.Set();

        await held;
        await before;
        await after;
        await Assert.ThrowsAsync<FormatException>(() => failing);
        Assert.Equal("before", await ReadAsync(Database, 1));
        Assert.Null(await ReadAsync(Database, 2));
        Assert.Equal("after", await ReadAsync(Database, 3));
    }

    [Fact]
    public async Task A_unit_without_a_savepoint_fails_its_own_caller_only()
    {
        using var gate = new ManualResetEventSlim();
        var held = Database.WriteAsync(_ => gate.Wait(), default);
        var before = InsertAsync(1, "before");
        var broken = Database.WriteAsync(new LastUnit(
            session => session.Execute("INSERT INTO notes (id, body) SELECT 2, 'undone' UNION ALL SELECT 1, 'twice'"))).AsTask();
        var thrown = Database.WriteAsync(new LastUnit(_ => throw new FormatException("on purpose"))).AsTask();
        var kept = Database.WriteAsync(new LastUnit(session => session.Execute("INSERT INTO notes (id, body) VALUES (4, 'kept')"))).AsTask();
        gate.Set();

        await held;
        await before;
        await Assert.ThrowsAnyAsync<System.Data.Common.DbException>(() => broken);
        await Assert.ThrowsAsync<FormatException>(() => thrown);
        Assert.Equal(1, await kept);
        Assert.Equal("before", await ReadAsync(Database, 1));
        Assert.Null(await ReadAsync(Database, 2)); // The first row of the statement that failed at its second.
        Assert.Equal("kept", await ReadAsync(Database, 4));
    }

    [Fact]
    public async Task A_broken_constraint_fails_one_caller()
    {
        await InsertAsync(1, "first");

        await Assert.ThrowsAnyAsync<System.Data.Common.DbException>(() => InsertAsync(1, "second"));

        Assert.Equal("first", await ReadAsync(Database, 1));
    }

    [Fact]
    public async Task Units_run_in_the_order_they_were_given()
    {
        using var gate = new ManualResetEventSlim();
        var held = Database.WriteAsync(_ => gate.Wait(), default);
        await Task.Yield();
        var order = new List<int>();
        var writes = Enumerable.Range(0, 300).Select(i => Database.WriteAsync(_ => order.Add(i), default)).ToArray();
        gate.Set();

        await held;
        await Task.WhenAll(writes);

        Assert.Equal(Enumerable.Range(0, 300), order);
    }

    [Fact]
    public async Task A_conditional_write_tells_that_it_changed_nothing()
    {
        await InsertAsync(1, "one");

        var rows = await Database.WriteAsync(
            session => session.Execute("UPDATE notes SET body = @new WHERE id = 1 AND body = @old", ("@new", "two"), ("@old", "zero")), default);

        Assert.Equal(0, rows);
        Assert.Equal("one", await ReadAsync(Database, 1));
    }

    [Fact]
    public async Task Values_of_every_kind_are_read_as_they_were_written()
    {
        var longer = new string('ü', 2000);
        await ReopenAsync(Notes, new SchemaPart("kinds", ["CREATE TABLE kinds (id {long} NOT NULL PRIMARY KEY, t {text}, b {blob}, n {long})"]));
        (string? Text, byte[]? Bytes, object? Number)[] rows =
            [("", [], 0), (null, null, null), ("a\0b \U0001F600", [0, 255], long.MinValue), (longer, new byte[5000], true), ("x", null, 7L)];

        // Twice, so that the second time finds the statement prepared and nothing left of the first.
        foreach (var (text, bytes, number) in rows)
        {
            Assert.Equal(1, await WriteAsync(session => session.Execute(
                "INSERT INTO kinds (id, t, b, n) SELECT count(*), @text, @bytes, @number FROM kinds", ("@number", number), ("@text", text), ("@bytes", bytes))));
        }

        var read = await Database.ReadAsync(
            session => session.List(
                "SELECT t, b, n FROM kinds ORDER BY id",
                row => (
                    Text: row.IsDBNull(0) ? null : row.GetString(0),
                    Bytes: row.IsDBNull(1) ? null : row.GetFieldValue<byte[]>(1),
                    Number: row.IsDBNull(2) ? (long?)null : row.GetInt64(2))),
            default);
        Assert.Equal(rows.Select(row => row.Text), read.Select(row => row.Text));
        Assert.Equal(rows.Select(row => row.Bytes), read.Select(row => row.Bytes));
        Assert.Equal([0, null, long.MinValue, 1, 7], read.Select(row => row.Number));
    }

    [Fact]
    public async Task A_text_of_several_statements_runs_them_all()
    {
        await WriteAsync(session => session.Execute(
            "INSERT INTO notes (id, body) VALUES (1, 'one'); INSERT INTO notes (id, body) VALUES (2, 'two')"));

        Assert.Equal("two", await ReadAsync(Database, 2));
    }

    [Fact]
    public async Task A_statement_that_failed_runs_again_with_other_values()
    {
        await InsertAsync(1, "one");
        await Assert.ThrowsAnyAsync<System.Data.Common.DbException>(() => InsertAsync(1, "again"));

        await InsertAsync(2, "two");

        Assert.Equal("two", await ReadAsync(Database, 2));
    }

    [Fact]
    public async Task A_write_that_is_cancelled_while_it_waits_does_not_run()
    {
        using var gate = new ManualResetEventSlim();
        using var cancelling = new CancellationTokenSource();
        var held = Database.WriteAsync(_ => gate.Wait(), default);
        var cancelled = Database.WriteAsync(session => session.Execute("INSERT INTO notes (id, body) VALUES (1, 'no')"), cancelling.Token);
        await cancelling.CancelAsync();
        gate.Set();

        await held;

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        Assert.Null(await ReadAsync(Database, 1));
    }

    [Fact]
    public async Task Writes_taken_before_closing_are_committed()
    {
        using var gate = new ManualResetEventSlim();
        var held = Database.WriteAsync(_ => gate.Wait(), default);
        var last = InsertAsync(1, "last");
        var closing = Database.DisposeAsync();
        gate.Set();

        await held;
        await last;
        await closing;

        _database = Open(Notes);
        Assert.Equal("last", await ReadAsync(Database, 1));
    }

    [Fact]
    public async Task Units_that_are_objects_share_a_commit_with_others_and_each_has_its_own_end()
    {
        using var gate = new ManualResetEventSlim();
        var held = Database.WriteAsync(_ => gate.Wait(), default);
        var kept = Enumerable.Range(1, 100).Select(i => Database.WriteAsync(new InsertUnit(i, "kept")).AsTask()).ToArray();
        var other = InsertAsync(101, "other");
        var twice = Database.WriteAsync(new InsertUnit(1, "twice")).AsTask();
        var last = Database.WriteAsync(new InsertUnit(102, "last")).AsTask();
        gate.Set();

        await held;
        Assert.All(await Task.WhenAll(kept), rows => Assert.Equal(1, rows));
        await other;
        await Assert.ThrowsAnyAsync<System.Data.Common.DbException>(() => twice);
        Assert.Equal(1, await last);
        Assert.Equal("kept", await ReadAsync(Database, 1));
        Assert.Equal("kept", await ReadAsync(Database, 100));
        Assert.Equal("last", await ReadAsync(Database, 102));
    }

    [Fact]
    public async Task A_unit_after_closing_has_the_result_that_stands_for_it_or_fails()
    {
        await Database.DisposeAsync();

        Assert.Equal(-1, await Database.WriteAsync(new InsertUnit(1, "late") { Otherwise = -1 }));
        await Assert.ThrowsAsync<StorageUnavailableException>(() => Database.WriteAsync(new InsertUnit(1, "late")).AsTask());
    }

    [Fact]
    public async Task More_units_than_may_wait_are_all_written()
    {
        using var gate = new ManualResetEventSlim();
        var held = Database.WriteAsync(_ => gate.Wait(), default);
        var writes = Enumerable.Range(1, 5000).Select(i => Database.WriteAsync(new InsertUnit(i, "kept")).AsTask()).ToArray();
        gate.Set();

        await held;
        Assert.Equal(5000, (await Task.WhenAll(writes)).Sum());
        Assert.Equal(5000, await Database.ReadAsync(session => session.Number("SELECT count(*) FROM notes"), default));
    }

    [Fact]
    public async Task A_write_after_closing_is_refused()
    {
        await Database.DisposeAsync();

        await Assert.ThrowsAsync<StorageUnavailableException>(() => InsertAsync(1, "late"));
    }

    [Fact]
    public async Task A_longer_list_of_migrations_runs_only_what_is_new()
    {
        await InsertAsync(1, "kept");

        await ReopenAsync(Notes with { Migrations = [.. Notes.Migrations, "ALTER TABLE notes ADD COLUMN extra {text}"] });

        Assert.Equal("kept", await ReadAsync(Database, 1));
        Assert.Equal(0, await Database.ReadAsync(session => session.Number("SELECT count(extra) FROM notes"), default));
    }

    [Fact]
    public async Task A_migration_that_fails_leaves_the_data_as_it_was()
    {
        await InsertAsync(1, "kept");
        await Database.DisposeAsync();
        var broken = Notes with { Migrations = [.. Notes.Migrations, "DROP TABLE notes", "CREATE nonsense"] };

        Assert.ThrowsAny<System.Data.Common.DbException>(() => Open(broken));

        _database = Open(Notes);
        Assert.Equal("kept", await ReadAsync(Database, 1));
    }

    [Fact]
    public async Task An_older_program_refuses_newer_data()
    {
        var newer = Notes with { Migrations = [.. Notes.Migrations, "ALTER TABLE notes ADD COLUMN extra {text}"] };
        await ReopenAsync(newer);
        await Database.DisposeAsync();

        Assert.Throws<NewerDataException>(() => Open(Notes));

        _database = Open(newer);
    }

    [Fact]
    public async Task Parts_have_versions_of_their_own()
    {
        var other = new SchemaPart("other", ["CREATE TABLE other (id {long} NOT NULL PRIMARY KEY)"]);

        await ReopenAsync(other, Notes);

        Assert.Equal(0, await Database.ReadAsync(session => session.Number("SELECT count(*) FROM other"), default));
    }

    [Fact]
    public async Task More_different_statements_than_are_kept_still_run()
    {
        var sum = await Database.ReadAsync(
            session => Enumerable.Range(0, 600).Sum(i => session.Number($"SELECT {i} + @one", ("@one", 1))), default);

        Assert.Equal((599 * 600 / 2) + 600, sum);
    }

    protected HubDatabase Open(params SchemaPart[] parts) =>
        HubDatabase.Open(OpenDialect(), parts, TimeProvider.System, NullLogger<HubDatabase>.Instance);

    protected static Task<string?> ReadAsync(HubDatabase database, int id) => database.ReadAsync(
        session => session.Find("SELECT body FROM notes WHERE id = @id", row => row.GetString(0), ("@id", id)), default);

    protected Task InsertAsync(int id, string body) => Database.WriteAsync(
        session => session.Execute("INSERT INTO notes (id, body) VALUES (@id, @body)", ("@id", id), ("@body", body)), default);

    protected Task<T> WriteAsync<T>(Func<SqlSession, T> unit) => Database.WriteAsync(unit, default);

    protected ValueTask<T> WriteAsync<T>(WriteUnit<T> unit) => Database.WriteAsync(unit);

    private async Task ReopenAsync(params SchemaPart[] parts)
    {
        await Database.DisposeAsync();
        _database = Open(parts);
    }

    /// <summary>Changes something with its last statement only.</summary>
    private sealed class LastUnit(Func<SqlSession, int> work) : WriteUnit<int>
    {
        protected internal override bool NeedsSavepoint => false;

        protected override int Run(SqlSession session) => work(session);
    }

    protected sealed class InsertUnit(int id, string body) : WriteUnit<int>
    {
        /// <summary>The result when the database cannot take it.</summary>
        public int? Otherwise { get; init; }

        protected internal override bool NeedsSavepoint => false;

        protected override int Run(SqlSession session) =>
            session.Execute("INSERT INTO notes (id, body) VALUES (@id, @body)", ("@id", id), ("@body", body));

        protected override bool TryReplace(StorageUnavailableException failure, out int result)
        {
            result = Otherwise ?? 0;
            return Otherwise is not null;
        }
    }
}
