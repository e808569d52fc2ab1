using Microsoft.Extensions.Logging;
using Nave.Protocol.Identities;
using Nave.Storage;
using Nave.Storage.Keys;
using Nave.Storage.Schema;

namespace Nave.PskGateway.Keys;

/// <summary>
/// The keys in SQLite, each sealed under the master key (<see cref="PskSeal"/>). A change raises the revision, by which a
/// running gateway sees within a second what another process has changed. Any thread may call.
/// </summary>
public sealed class PskStore : IAsyncDisposable
{
    private readonly HubDatabase _database;
    private readonly TimeProvider _time;

    private PskStore(HubDatabase database, PskSeal seal, TimeProvider time)
    {
        _database = database;
        Seal = seal;
        _time = time;
    }

    internal PskSeal Seal { get; }

    private static SchemaPart SchemaPart { get; } = new("psk",
    [
        """
        CREATE TABLE psk_keys (
          identity   TEXT NOT NULL,
          slot       TEXT NOT NULL,
          device_id  TEXT,
          sealed     {blob} NOT NULL,
          created_at {long} NOT NULL,
          not_before {long},
          not_after  {long},
          last_used  {long},
          PRIMARY KEY (identity, slot));
        CREATE TABLE psk_groups (
          name       TEXT NOT NULL PRIMARY KEY,
          pattern    TEXT NOT NULL,
          sealed     {blob} NOT NULL,
          created_at {long} NOT NULL);
        CREATE TABLE psk_revision (id {long} NOT NULL PRIMARY KEY, revision {long} NOT NULL);
        INSERT INTO psk_revision (id, revision) VALUES (1, 0);
        """,
    ]);

    /// <summary>Opens the store, or makes it and the master key.</summary>
    /// <param name="file">The SQLite file.</param>
    /// <param name="masterKeyFile">The master key: in another folder, readable by its owner only.</param>
    /// <param name="time">The wall clock.</param>
    /// <param name="loggers">Of the database.</param>
    /// <param name="stopping">Stops it.</param>
    /// <exception cref="NotOurDataException">The key is missing, another store's or badly kept; the message says what to do.</exception>
    public static async Task<PskStore> OpenAsync(
        string file, string masterKeyFile, TimeProvider time, ILoggerFactory loggers, CancellationToken stopping)
    {
        if (KeyFileRules.ProblemOf(masterKeyFile, file) is { } problem)
        {
            throw new NotOurDataException(problem);
        }

        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(file))!);
        var database = HubDatabase.Open(new SqliteDialect(file), [KeyWrapping.SchemaPart, SchemaPart], time, loggers.CreateLogger<HubDatabase>());
        try
        {
            return new PskStore(database, new PskSeal(await KeyWrapping.OpenAsync(database, masterKeyFile, stopping)), time);
        }
        catch
        {
            await database.DisposeAsync();
            throw;
        }
    }

    /// <summary>Adds a key; null, or what is wrong.</summary>
    public Task<string?> AddAsync(NewPsk entry, ReadOnlyMemory<byte> key, CancellationToken stopping)
    {
        if (PskRules.ProblemOfIdentity(entry.Identity) is { } problem)
        {
            return Task.FromResult<string?>(problem);
        }

        if (key.Length is < PskRules.MinKeyBytes or > PskRules.MaxKeyBytes)
        {
            return Task.FromResult<string?>($"A key has {PskRules.MinKeyBytes} to {PskRules.MaxKeyBytes} bytes.");
        }

        var row = Seal.Seal(key.Span, PskRecord.ContextOf(entry.Identity, entry.Slot, entry.Device, entry.NotBefore, entry.NotAfter));
        return _database.WriteAsync(session => Add(session, entry, row), stopping);
    }

    /// <summary>Removes an identity's key of that slot, or both; how many there were.</summary>
    public Task<int> RemoveAsync(string identity, string? slot, CancellationToken stopping) => _database.WriteAsync(
        session =>
        {
            var removed = slot is null
                ? session.Execute("DELETE FROM psk_keys WHERE identity = @identity", ("@identity", identity))
                : session.Execute("DELETE FROM psk_keys WHERE identity = @identity AND slot = @slot", ("@identity", identity), ("@slot", slot));
            Raise(session);
            return removed;
        },
        stopping);

    /// <summary>All rows, in the order of identities.</summary>
    public Task<List<PskRecord>> ListAsync(CancellationToken stopping) => _database.ReadAsync(
        session => session.List($"SELECT {PskRecord.Columns} FROM psk_keys ORDER BY identity, slot", PskRecord.Read), stopping);

    /// <summary>Adds a group; null, or what is wrong.</summary>
    public Task<string?> AddGroupAsync(string name, string pattern, ReadOnlyMemory<byte> key, CancellationToken stopping)
    {
        if (PskRules.ProblemOfIdentity(name) is not null || !PskRules.TryReadPattern(pattern, out _))
        {
            return Task.FromResult<string?>("A group has a name and a regular expression without look-around and back-references.");
        }

        if (key.Length is < PskRules.GoodKeyBytes or > PskRules.MaxKeyBytes)
        {
            return Task.FromResult<string?>($"A group key has {PskRules.GoodKeyBytes} to {PskRules.MaxKeyBytes} bytes.");
        }

        var row = Seal.Seal(key.Span, PskGroup.ContextOf(name, pattern));
        return _database.WriteAsync(
            session =>
            {
                var added = session.Execute(
                    "INSERT INTO psk_groups (name, pattern, sealed, created_at) VALUES (@name, @pattern, @sealed, @created) ON CONFLICT (name) DO NOTHING",
                    ("@name", name), ("@pattern", pattern), ("@sealed", row), ("@created", _time.GetUtcNow().ToUnixTimeSeconds()));
                Raise(session);
                return added == 1 ? null : $"There is a group '{name}' already.";
            },
            stopping);
    }

    /// <summary>Removes a group: none of its identities connects any more.</summary>
    public Task<bool> RemoveGroupAsync(string name, CancellationToken stopping) => _database.WriteAsync(
        session =>
        {
            var removed = session.Execute("DELETE FROM psk_groups WHERE name = @name", ("@name", name));
            Raise(session);
            return removed > 0;
        },
        stopping);

    /// <summary>All groups, in the order of names: the first that matches an identity has it.</summary>
    public Task<List<PskGroup>> ListGroupsAsync(CancellationToken stopping) => _database.ReadAsync(
        session => session.List($"SELECT {PskGroup.Columns} FROM psk_groups ORDER BY name", PskGroup.Read), stopping);

    /// <summary>Opens a row's key; null when it is damaged.</summary>
    public byte[]? Open(PskRecord record) => Seal.TryOpen(record.Sealed.Span, record.Context, out var key) ? key : null;

    /// <summary>Opens a group's key; null when it is damaged.</summary>
    public byte[]? Open(PskGroup group) => Seal.TryOpen(group.Sealed.Span, group.Context, out var key) ? key : null;

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _database.DisposeAsync();

    internal Task<long> RevisionAsync(CancellationToken stopping) => _database.ReadAsync(
        session => session.Number("SELECT revision FROM psk_revision WHERE id = 1") ?? 0, stopping);

    /// <summary>Notes when keys were last proven; no change that anybody has to see.</summary>
    internal Task UsedAsync(IReadOnlyCollection<(string Identity, string Slot)> used, DateTimeOffset at, CancellationToken stopping) => _database.WriteAsync(
        session =>
        {
            foreach (var (identity, slot) in used)
            {
                session.Execute(
                    "UPDATE psk_keys SET last_used = @at WHERE identity = @identity AND slot = @slot",
                    ("@at", at.ToUnixTimeSeconds()), ("@identity", identity), ("@slot", slot));
            }
        },
        stopping);

    private string? Add(SqlSession session, NewPsk entry, byte[] row)
    {
        var others = session.List(
            $"SELECT {PskRecord.Columns} FROM psk_keys WHERE identity = @identity", PskRecord.Read, ("@identity", entry.Identity));
        if (others.Any(other => other.Slot == entry.Slot))
        {
            return $"'{entry.Identity}' has a {entry.Slot} key already: revoke it first, or add the other one (--slot).";
        }

        if (others.FirstOrDefault(other => other.Device != entry.Device) is { } other)
        {
            return $"'{entry.Identity}' stands for {(other.Device is { } id ? $"the device {id}" : "the device of its own name")}; an identity stands for one device.";
        }

        session.Execute(
            """
            INSERT INTO psk_keys (identity, slot, device_id, sealed, created_at, not_before, not_after)
            VALUES (@identity, @slot, @device, @sealed, @created, @from, @until)
            """,
            ("@identity", entry.Identity), ("@slot", entry.Slot), ("@device", entry.Device?.Value), ("@sealed", row),
            ("@created", _time.GetUtcNow().ToUnixTimeSeconds()),
            ("@from", entry.NotBefore?.ToUnixTimeSeconds()), ("@until", entry.NotAfter?.ToUnixTimeSeconds()));
        Raise(session);
        return null;
    }

    private static void Raise(SqlSession session) => session.Execute("UPDATE psk_revision SET revision = revision + 1 WHERE id = 1");
}

/// <summary>What is to be added.</summary>
/// <param name="Identity">What the device sends in the handshake.</param>
/// <param name="Slot"><see cref="PskRecord.Primary"/> or <see cref="PskRecord.Secondary"/>.</param>
/// <param name="Device">The device that it stands for; null: the pattern or the identity itself says.</param>
public sealed record NewPsk(string Identity, string Slot, DeviceId? Device)
{
    /// <summary>From when it is good.</summary>
    public DateTimeOffset? NotBefore { get; init; }

    /// <summary>Until when it is good.</summary>
    public DateTimeOffset? NotAfter { get; init; }
}
