using System.Text.Json.Nodes;
using Nave.Storage;
using Nave.Storage.Schema;

namespace Nave.Hub.Heartbeats;

/// <summary>
/// The silences and maintenance windows that operators have set: rows, and an immutable set in memory that is swapped whole.
/// Any thread may call.
/// </summary>
internal sealed class HeartbeatSilences(HubDatabase database, TimeProvider time) : IDisposable
{
    /// <summary>More are refused.</summary>
    public const int Most = 1_000;

    /// <summary>The table and how it came to be.</summary>
    public static readonly SchemaPart Schema = new(
        "heartbeat_silences", ["CREATE TABLE heartbeat_silences (name {text} NOT NULL PRIMARY KEY, body {text} NOT NULL) {keyed}"]);

    // One change at a time, each with what it reads afterwards: an older reading never takes the place of a newer one.
    private readonly SemaphoreSlim _changing = new(1, 1);
    private HeartbeatSilence[] _all = [];
    private int _hasChanged;

    /// <summary>All that are not over, the first to end first.</summary>
    public IReadOnlyList<HeartbeatSilence> All => Volatile.Read(ref _all);

    /// <summary>Whether alerts of a device are held back at that time.</summary>
    public bool Holds(string device, string? group, DateTimeOffset now) => Array.Exists(Volatile.Read(ref _all), silence => silence.HoldsAt(now) && silence.IsFor(device, group));

    /// <summary>Whether alerts of a whole group are held back; of the whole hub for null.</summary>
    public bool HoldsGroup(string? group, DateTimeOffset now) => Array.Exists(
        Volatile.Read(ref _all), silence => silence.HoldsAt(now) && (silence.IsForAll || (group is not null && silence.Group == group)));

    /// <summary>
    /// Whether one of them has ended between two times, or any was set since this was asked last: what is shorter or for
    /// fewer devices than it was releases alerts as well. One caller.
    /// </summary>
    public bool TakeEnded(DateTimeOffset since, DateTimeOffset now) =>
        Interlocked.Exchange(ref _hasChanged, 0) != 0 | Array.Exists(Volatile.Read(ref _all), silence => silence.Until > since && silence.Until <= now);

    /// <summary>Reads what is stored, and forgets what has been over for a day.</summary>
    public Task LoadAsync(CancellationToken stopping) => InTurnAsync(
        async () =>
        {
            await ReadAsync(stopping);
            return true;
        },
        stopping);

    private async Task<bool> InTurnAsync(Func<Task<bool>> change, CancellationToken stopping)
    {
        await _changing.WaitAsync(stopping);
        try
        {
            return await change();
        }
        finally
        {
            _changing.Release();
        }
    }

    private async Task ReadAsync(CancellationToken stopping)
    {
        var rows = await database.ReadAsync(
            session => session.List("SELECT name, body FROM heartbeat_silences", row => (Name: row.GetString(0), Body: row.GetString(1))), stopping);
        var read = new List<HeartbeatSilence>();
        foreach (var (name, body) in rows)
        {
            if (HeartbeatSilence.TryRead(name, (JsonObject)JsonNode.Parse(body)!, DateTimeOffset.MinValue, out var silence, out _) && silence.Until > time.GetUtcNow().AddDays(-1))
            {
                read.Add(silence);
            }
            else
            {
                // That one, and not what another node has set by its name in between.
                await database.WriteAsync(
                    session => session.Execute("DELETE FROM heartbeat_silences WHERE name = @name AND body = @body", ("@name", name), ("@body", body)), stopping);
            }
        }

        Volatile.Write(ref _all, [.. read.OrderBy(silence => silence.Until).ThenBy(silence => silence.Name, StringComparer.Ordinal)]);
        Volatile.Write(ref _hasChanged, 1); // After them: whoever sees it sees them.
    }

    /// <summary>Sets one; of the same name, the last counts.</summary>
    /// <returns>False when there are too many.</returns>
    public Task<bool> PutAsync(HeartbeatSilence silence, CancellationToken stopping) => InTurnAsync(() => WriteAsync(silence, stopping), stopping);

    private async Task<bool> WriteAsync(HeartbeatSilence silence, CancellationToken stopping)
    {
        if (All.Count >= Most && All.All(other => other.Name != silence.Name))
        {
            return false;
        }

        await database.WriteAsync(
            session => session.Execute(
                "INSERT INTO heartbeat_silences (name, body) VALUES (@name, @body) ON CONFLICT (name) DO UPDATE SET body = excluded.body",
                ("@name", silence.Name), ("@body", silence.ToJson().ToJsonString())),
            stopping);
        await ReadAsync(stopping);
        return true;
    }

    /// <summary>Ends one now: what it held back and still stands is told.</summary>
    /// <returns>False when there was none, or it was over.</returns>
    public Task<bool> EndAsync(string name, CancellationToken stopping) => InTurnAsync(
        async () =>
        {
            var now = time.GetUtcNow();
            return All.FirstOrDefault(silence => silence.Name == name && silence.Until > now) is { } found
                && await WriteAsync(found with { From = found.From < now ? found.From : now.AddMilliseconds(-1), Until = now }, stopping);
        },
        stopping);

    /// <inheritdoc/>
    public void Dispose() => _changing.Dispose();
}
