using Nave.Protocol;
using Nave.Protocol.Errors;
using Nave.Storage;
using Nave.Storage.Schema;

namespace Nave.Hub.Telemetry;

/// <summary>
/// Keeps the consumer groups in SQL and the set in <see cref="ConsumerGroups"/> in step with it: SQL first, then memory.
/// Readers of a group that is deleted keep their links until they end; nobody new is let in.
/// </summary>
internal sealed class ConsumerGroupStore(HubDatabase database, ConsumerGroups groups, TimeProvider time) : IDisposable
{
    /// <summary>The table and how it came to be.</summary>
    public static readonly SchemaPart Schema = new(
        "events",
        ["CREATE TABLE consumer_groups (name_key {text} NOT NULL PRIMARY KEY, name {text} NOT NULL, created {long} NOT NULL) {keyed};"]);

    private const int MaxNameLength = 50;
    private readonly SemaphoreSlim _writer = new(1, 1);

    /// <summary>Reads the groups, before anybody reads with one.</summary>
    public async Task LoadAsync(CancellationToken stopping) => groups.Replace(
        await database.ReadAsync(session => session.List("SELECT name FROM consumer_groups", row => row.GetString(0)), stopping));

    /// <summary>Makes a group; one that is there already is no failure.</summary>
    public async Task<HubFailure?> CreateAsync(string name, CancellationToken stopping)
    {
        if (!groups.Contains(name) && !IsName(name))
        {
            return HubFailures.ArgumentInvalid.Saying($"A consumer group's name has 1 to {MaxNameLength} letters, digits and . - _");
        }

        await _writer.WaitAsync(stopping);
        try
        {
            if (groups.Contains(name))
            {
                return null;
            }

            if (groups.Names.Count >= HubLimits.MaxConsumerGroups)
            {
                return HubFailures.ArgumentInvalid.Saying($"A hub has at most {HubLimits.MaxConsumerGroups} consumer groups.");
            }

            await database.WriteAsync(
                session => session.Execute(
                    "INSERT INTO consumer_groups (name_key, name, created) VALUES (@key, @name, @created) ON CONFLICT (name_key) DO NOTHING",
                    ("@key", name.ToLowerInvariant()),
                    ("@name", name),
                    ("@created", time.GetUtcNow().ToUnixTimeMilliseconds())),
                stopping);
            await LoadAsync(stopping);
            return null;
        }
        finally
        {
            _writer.Release();
        }
    }

    /// <summary>Deletes a group; <see cref="ConsumerGroups.Default"/> stays.</summary>
    public async Task<HubFailure?> DeleteAsync(string name, CancellationToken stopping)
    {
        if (name.Equals(ConsumerGroups.Default, StringComparison.OrdinalIgnoreCase))
        {
            return HubFailures.InvalidOperation.Saying($"The consumer group {ConsumerGroups.Default} always exists.");
        }

        await _writer.WaitAsync(stopping);
        try
        {
            if (!groups.Contains(name))
            {
                return HubFailures.AddressNotFound.Saying($"There is no consumer group named '{name}'.");
            }

            await database.WriteAsync(
                session => session.Execute("DELETE FROM consumer_groups WHERE name_key = @key", ("@key", name.ToLowerInvariant())), stopping);
            await LoadAsync(stopping);
            return null;
        }
        finally
        {
            _writer.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _writer.Dispose();

    private static bool IsName(string name) =>
        name.Length is > 0 and <= MaxNameLength && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_');
}
