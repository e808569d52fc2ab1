using System.Data.Common;
using Nave.Protocol.Identities;
using Nave.Storage;
using Nave.Storage.Keys;
using Nave.Tokens.Checks;

namespace Nave.Tokens.Secrets;

/// <summary>
/// The table <c>nave_secrets</c>: per identity of the custom system the device it stands for and one or two verifiers of
/// each kind, so that a secret can be replaced while the old one goes on working. Any thread may call.
/// </summary>
public sealed class SecretTable
{
    /// <summary>Secrets of one kind that an identity may have at once.</summary>
    public const int MostPerKind = 2;

    private const string Create = """
        CREATE TABLE IF NOT EXISTS nave_secrets (
          identity   VARCHAR(256) NOT NULL,
          label      VARCHAR(64)  NOT NULL,
          device_id  VARCHAR(128) NOT NULL,
          verifier   VARCHAR(400) NOT NULL,
          created_at BIGINT       NOT NULL,
          expires_at BIGINT,
          PRIMARY KEY (identity, label))
        """;

    private const string SelectOne =
        "SELECT identity, label, device_id, verifier, created_at, expires_at FROM nave_secrets WHERE identity = @identity ORDER BY label LIMIT 8";

    private const string SelectAll =
        "SELECT identity, label, device_id, verifier, created_at, expires_at FROM nave_secrets WHERE identity > @after ORDER BY identity, label LIMIT @limit";

    private const string Insert = """
        INSERT INTO nave_secrets (identity, label, device_id, verifier, created_at, expires_at)
        VALUES (@identity, @label, @device, @verifier, @created, @expires)
        ON CONFLICT (identity, label) DO NOTHING
        """;

    private readonly SecretDatabase _database;
    private readonly TimeProvider _time;

    private SecretTable(SecretDatabase database, SecretHasher hasher, TimeProvider time)
    {
        _database = database;
        Hasher = hasher;
        _time = time;
    }

    /// <summary>Names the database to an operator.</summary>
    public string Description => _database.Description;

    internal SecretHasher Hasher { get; }

    /// <summary>Makes the table if it is absent, and reads the server key.</summary>
    /// <param name="database">Where the table is.</param>
    /// <param name="keyFile">The server key; made with an empty table only.</param>
    /// <param name="time">The wall clock.</param>
    /// <param name="stopping">Stops it.</param>
    /// <exception cref="NotOurDataException">The key is missing or badly kept; the message says what to do.</exception>
    /// <exception cref="DbException">The database cannot be used.</exception>
    public static async Task<SecretTable> OpenAsync(SecretDatabase database, string keyFile, TimeProvider time, CancellationToken stopping)
    {
        if (KeyFileRules.ProblemOf(keyFile, database.File) is { } problem)
        {
            throw new NotOurDataException(problem);
        }

        await using var connection = await database.OpenAsync(stopping);
        await RunAsync(connection, Create, stopping);
        var isEmpty = (await ReadAsync(connection, SelectAll, stopping, ("@after", ""), ("@limit", 1))).Count == 0;
        return new SecretTable(database, new SecretHasher(VerifierKeys.Open(keyFile, mayCreate: isEmpty)), time);
    }

    /// <summary>Adds a generated secret, which is shown once and stored nowhere.</summary>
    public async Task<(string? Secret, string? Problem)> AddGeneratedAsync(NewSecret entry, CancellationToken stopping)
    {
        var secret = GeneratedSecret.Create();
        var problem = await AddAsync(entry, Hasher.MakeGenerated(entry.Identity, entry.Device, secret), stopping);
        return problem is null ? (secret, null) : (null, problem);
    }

    /// <summary>Adds a chosen password; null, or what is wrong.</summary>
    public Task<string?> AddChosenAsync(NewSecret entry, string password, CancellationToken stopping) =>
        password.Length is 0 or > PresentedCredential.MaxSecretLength
            ? Task.FromResult<string?>($"A password has 1 to {PresentedCredential.MaxSecretLength} characters.")
        : GeneratedSecret.HasForm(password)
            ? Task.FromResult<string?>($"A chosen password may not begin with '{GeneratedSecret.Prefix}', as generated secrets do.")
            : AddAsync(entry, Hasher.MakeChosen(entry.Identity, entry.Device, password), stopping);

    /// <summary>Removes an identity's secret of that label, or all of them; how many there were.</summary>
    public async Task<int> RemoveAsync(string identity, string? label, CancellationToken stopping)
    {
        await using var connection = await _database.OpenAsync(stopping);
        return label is null
            ? await RunAsync(connection, "DELETE FROM nave_secrets WHERE identity = @identity", stopping, ("@identity", identity))
            : await RunAsync(connection, "DELETE FROM nave_secrets WHERE identity = @identity AND label = @label", stopping, ("@identity", identity), ("@label", label));
    }

    /// <summary>A page of rows in the order of identities, after the given one.</summary>
    public async Task<IReadOnlyList<SecretRow>> ListAsync(string after, int limit, CancellationToken stopping)
    {
        await using var connection = await _database.OpenAsync(stopping);
        return await ReadAsync(connection, SelectAll, stopping, ("@after", after), ("@limit", limit));
    }

    /// <summary>An identity's rows that have not expired.</summary>
    public async Task<IReadOnlyList<SecretRow>> FindAsync(string identity, CancellationToken stopping)
    {
        await using var connection = await _database.OpenAsync(stopping);
        var rows = await ReadAsync(connection, SelectOne, stopping, ("@identity", identity));
        var now = _time.GetUtcNow();
        return [.. rows.Where(row => row.ExpiresAt is not { } end || end > now)];
    }

    private async Task<string?> AddAsync(NewSecret entry, Verifier verifier, CancellationToken stopping)
    {
        if (entry.Identity.Length is 0 or > PresentedCredential.MaxIdentityLength || entry.Identity.Any(char.IsControl))
        {
            return $"An identity has 1 to {PresentedCredential.MaxIdentityLength} characters, and none that controls a terminal.";
        }

        await using var connection = await _database.OpenAsync(stopping);
        var rows = await ReadAsync(connection, SelectOne, stopping, ("@identity", entry.Identity));
        var others = rows.Where(row => Verifier.TryParse(row.Verifier)?.GetType() == verifier.GetType()).ToList();
        var most = verifier is Verifier.Chosen ? 1 : MostPerKind;
        if (others.Count >= most)
        {
            return $"'{entry.Identity}' has {others.Count} {(most == 1 ? "password" : "generated secrets")} already ({string.Join(", ", others.Select(row => row.Label))}): remove one first.";
        }

        if (rows.FirstOrDefault(row => row.DeviceId != entry.Device.Value) is { } other)
        {
            return $"'{entry.Identity}' stands for the device {other.DeviceId}; an identity stands for one device.";
        }

        var added = await RunAsync(
            connection, Insert, stopping,
            ("@identity", entry.Identity), ("@label", entry.Label), ("@device", entry.Device.Value), ("@verifier", verifier.ToString()),
            ("@created", _time.GetUtcNow().ToUnixTimeSeconds()), ("@expires", entry.ExpiresAt?.ToUnixTimeSeconds()));
        return added == 1 ? null : $"'{entry.Identity}' has a secret labelled '{entry.Label}' already: remove it first, or choose another label.";
    }

    private static async Task<int> RunAsync(
        DbConnection connection, string sql, CancellationToken stopping, params (string Name, object? Value)[] parameters)
    {
        await using var command = CommandOf(connection, sql, parameters);
        return await command.ExecuteNonQueryAsync(stopping);
    }

    private static async Task<List<SecretRow>> ReadAsync(
        DbConnection connection, string sql, CancellationToken stopping, params (string Name, object? Value)[] parameters)
    {
        await using var command = CommandOf(connection, sql, parameters);
        await using var reader = await command.ExecuteReaderAsync(stopping);
        var rows = new List<SecretRow>();
        while (await reader.ReadAsync(stopping))
        {
            rows.Add(SecretRow.Read(reader));
        }

        return rows;
    }

    private static DbCommand CommandOf(DbConnection connection, string sql, (string Name, object? Value)[] parameters)
    {
        var command = connection.CreateCommand();
        command.CommandText = sql;
        foreach (var (name, value) in parameters)
        {
            var parameter = command.CreateParameter();
            parameter.ParameterName = name;
            parameter.Value = value ?? DBNull.Value;
            command.Parameters.Add(parameter);
        }

        return command;
    }
}

/// <summary>What is to be added.</summary>
/// <param name="Identity">The name in the custom system.</param>
/// <param name="Device">The device that it stands for.</param>
/// <param name="Label">Tells its secrets apart.</param>
/// <param name="ExpiresAt">When the secret ends; null for never.</param>
public sealed record NewSecret(string Identity, DeviceId Device, string Label, DateTimeOffset? ExpiresAt);

/// <summary>A row. The verifier is no secret to be used, but not to be shown either.</summary>
public sealed record SecretRow(string Identity, string Label, string DeviceId, string Verifier, DateTimeOffset CreatedAt, DateTimeOffset? ExpiresAt)
{
    /// <summary>generated, chosen or unreadable.</summary>
    public string Kind => Secrets.Verifier.TryParse(Verifier) switch
    {
        Secrets.Verifier.Generated => "generated",
        Secrets.Verifier.Chosen => "chosen",
        _ => "unreadable",
    };

    /// <inheritdoc/>
    public override string ToString() => $"{Identity}/{Label}";

    internal static SecretRow Read(DbDataReader row) => new(
        row.GetString(0), row.GetString(1), row.GetString(2), row.GetString(3),
        DateTimeOffset.FromUnixTimeSeconds(row.GetInt64(4)), row.IsDBNull(5) ? null : DateTimeOffset.FromUnixTimeSeconds(row.GetInt64(5)));
}
