using Nave.Protocol.Identities;
using Nave.Storage;
using Nave.Tokens.Secrets;
using Nave.Tokens.Tests.Harness;

namespace Nave.Tokens.Tests.Secrets;

public sealed class SecretTableTests
{
    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_generated_secret_opens_its_device_and_a_changed_one_does_not()
    {
        await using var desk = await TokenDesk.OpenAsync();
        var secret = await desk.AddAsync("pump-7", "dev1");

        var right = await desk.AskAsync("pump-7", secret);
        var wrong = await desk.AskAsync("pump-7", secret[..^1] + (secret[^1] == 'A' ? 'B' : 'A'));

        Assert.Equal("dev1", Assert.IsType<IssueOutcome.Issued>(right).Token.Device.Value);
        Assert.Equal("the secret is wrong", Assert.IsType<IssueOutcome.Refused>(wrong).Reason);
    }

    [Fact]
    public async Task A_generated_secret_has_256_random_bits()
    {
        await using var desk = await TokenDesk.OpenAsync();

        var secrets = new[] { await desk.AddAsync("a", "dev1"), await desk.AddAsync("b", "dev1") };

        Assert.All(secrets, secret => Assert.Equal(32, System.Buffers.Text.Base64Url.DecodeFromChars(secret.AsSpan(GeneratedSecret.Prefix.Length)).Length));
        Assert.NotEqual(secrets[0], secrets[1]);
    }

    [Fact]
    public async Task Neither_the_table_nor_the_key_file_holds_a_secret()
    {
        await using var desk = await TokenDesk.OpenAsync();
        var secret = await desk.AddAsync("pump-7", "dev1");
        await desk.AddPasswordAsync("pump-7", "dev1", "correct horse");

        var rows = await desk.Table.ListAsync("", 10, Stopping);
        var files = Directory.GetFiles(desk.Folder, "*", SearchOption.AllDirectories).Select(file => System.Text.Encoding.Latin1.GetString(ReadShared(file))).ToList();

        Assert.Equal(["chosen", "generated"], rows.Select(row => row.Kind).Order());
        Assert.All(files, text => Assert.DoesNotContain(secret, text, StringComparison.Ordinal));
        Assert.All(files, text => Assert.DoesNotContain("correct horse", text, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_password_opens_its_device_and_another_does_not()
    {
        await using var desk = await TokenDesk.OpenAsync();
        await desk.AddPasswordAsync("pump-7", "dev1", "correct horse");

        var right = await desk.AskAsync("pump-7", "correct horse");
        var wrong = await desk.AskAsync("pump-7", "correct horse ");

        Assert.IsType<IssueOutcome.Issued>(right);
        Assert.IsType<IssueOutcome.Refused>(wrong);
    }

    [Fact]
    public async Task Two_generated_secrets_work_side_by_side_and_a_third_is_refused()
    {
        await using var desk = await TokenDesk.OpenAsync();
        var old = await desk.AddAsync("pump-7", "dev1", "old");
        var young = await desk.AddAsync("pump-7", "dev1", "new");

        var (third, problem) = await desk.Table.AddGeneratedAsync(new NewSecret("pump-7", DeviceId.Parse("dev1"), "third", null), Stopping);

        Assert.Null(third);
        Assert.Contains("remove one first", problem, StringComparison.Ordinal);
        Assert.IsType<IssueOutcome.Issued>(await desk.AskAsync("pump-7", old));
        Assert.IsType<IssueOutcome.Issued>(await desk.AskAsync("pump-7", young));
        Assert.Equal(1, await desk.Table.RemoveAsync("pump-7", "old", Stopping));
        Assert.IsType<IssueOutcome.Refused>(await desk.AskAsync("pump-7", old, TokenDesk.Elsewhere));
        Assert.IsType<IssueOutcome.Issued>(await desk.AskAsync("pump-7", young));
    }

    [Fact]
    public async Task An_expired_secret_opens_nothing()
    {
        await using var desk = await TokenDesk.OpenAsync();
        var (secret, _) = await desk.Table.AddGeneratedAsync(
            new NewSecret("pump-7", DeviceId.Parse("dev1"), "short", desk.Time.GetUtcNow().AddMinutes(5)), Stopping);
        Assert.IsType<IssueOutcome.Issued>(await desk.AskAsync("pump-7", secret!));

        desk.Time.Advance(TimeSpan.FromMinutes(5));

        Assert.IsType<IssueOutcome.Refused>(await desk.AskAsync("pump-7", secret!));
    }

    [Theory]
    [InlineData("UPDATE nave_secrets SET device_id = 'other'")]
    [InlineData("UPDATE nave_secrets SET identity = 'thief' WHERE identity = 'pump-7'")]
    public async Task A_row_that_was_edited_in_the_database_verifies_nothing(string edit)
    {
        await using var desk = await TokenDesk.OpenAsync();
        var secret = await desk.AddAsync("pump-7", "dev1");
        await desk.AddPasswordAsync("pump-7", "dev1", "correct horse");
        await ExecuteAsync(desk, edit);
        var name = edit.Contains("thief", StringComparison.Ordinal) ? "thief" : "pump-7";

        Assert.IsType<IssueOutcome.Refused>(await desk.AskAsync(name, secret));
        Assert.IsType<IssueOutcome.Refused>(await desk.AskAsync(name, "correct horse", TokenDesk.Elsewhere));
    }

    [Fact]
    public async Task A_password_row_of_another_program_is_read()
    {
        // The argon2 command line: echo -n password | argon2 somesalt -id -t 2 -k 65536 -p 1 (the vector of its documentation).
        const string Foreign = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        await using var desk = await TokenDesk.OpenAsync();
        await ExecuteAsync(desk, $"INSERT INTO nave_secrets VALUES ('old', 'imported', 'dev9', '{Foreign}', 0, NULL)");

        Assert.Equal("dev9", Assert.IsType<IssueOutcome.Issued>(await desk.AskAsync("old", "password")).Token.Device.Value);
        Assert.IsType<IssueOutcome.Refused>(await desk.AskAsync("old", "Password"));
    }

    [Theory]
    [InlineData("$argon2id$v=19$m=10000000,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")]
    [InlineData("$argon2id$v=19$m=65536,t=100,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")]
    [InlineData("$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")]
    [InlineData("password")]
    [InlineData("")]
    public void A_verifier_that_is_none_or_asks_for_too_much_work_is_not_read(string text) => Assert.Null(Verifier.TryParse(text));

    [Fact]
    public async Task Verifiers_read_back_as_they_were_written()
    {
        await using var desk = await TokenDesk.OpenAsync();
        var generated = desk.Table.Hasher.MakeGenerated("a", DeviceId.Parse("d"), "nvs_x");

        Assert.Equal(generated.ToString(), Verifier.TryParse(generated.ToString())?.ToString());
    }

    [Fact]
    public async Task A_table_with_rows_does_not_open_without_its_key()
    {
        await using var desk = await TokenDesk.OpenAsync();
        await desk.AddAsync("pump-7", "dev1");
        await using var database = SecretDatabase.OfSqlite(Path.Combine(desk.Folder, "table", "secrets.db"));

        var failure = await Assert.ThrowsAsync<NotOurDataException>(
            () => SecretTable.OpenAsync(database, Path.Combine(desk.Folder, "keys", "other.key"), desk.Time, Stopping));

        Assert.Contains("other.key is missing", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_beside_the_table_or_open_to_others_is_refused()
    {
        await using var desk = await TokenDesk.OpenAsync();
        await using var database = SecretDatabase.OfSqlite(Path.Combine(desk.Folder, "table", "secrets.db"));
        var key = Path.Combine(desk.Folder, "keys", "secrets.key");

        var beside = await Assert.ThrowsAsync<NotOurDataException>(
            () => SecretTable.OpenAsync(database, Path.Combine(desk.Folder, "table", "secrets.key"), desk.Time, Stopping));
        File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        var open = await Assert.ThrowsAsync<NotOurDataException>(() => SecretTable.OpenAsync(database, key, desk.Time, Stopping));

        Assert.Contains("lies beside", beside.Message, StringComparison.Ordinal);
        Assert.Contains("chmod 600", open.Message, StringComparison.Ordinal);
    }

    private static async Task ExecuteAsync(TokenDesk desk, string sql)
    {
        await using var connection = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={Path.Combine(desk.Folder, "table", "secrets.db")}");
        await connection.OpenAsync(Stopping);
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        Assert.True(await command.ExecuteNonQueryAsync(Stopping) > 0);
    }

    private static byte[] ReadShared(string file)
    {
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        return copy.ToArray();
    }
}
