using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;
using Nave.Storage;

namespace Nave.Hub.Queries;

/// <summary>
/// Indexes on paths of twins: those that the configuration declares, and those that queries have asked for by equality
/// again and again and waited for. They are only about speed: without one a query reads every twin.
/// </summary>
internal sealed partial class QueryIndexes(HubDatabase database, QueryOptions options, ILogger<QueryIndexes> logger)
{
    /// <summary>A query that took less does not call for an index.</summary>
    public static readonly TimeSpan SlowQuery = TimeSpan.FromMilliseconds(20);

    /// <summary>Slow queries for a path until it gets an index.</summary>
    public const int AskedOften = 3;

    // Each costs every write of its path, and the disk.
    private const int MaxAutomatic = 8;

    // Making an index holds the writer for about 3 s a million twins; beyond this an operator shall choose the moment.
    private const int MaxTwinsForAutomatic = 300_000;

    private const int MaxCounted = 64;
    private const string Declared = "twins_at_";
    private const string Automatic = "twins_auto_";

    private readonly Lock _lock = new();
    private readonly HashSet<string> _known = [];
    private readonly Dictionary<string, int> _asked = [];

    /// <summary>The making of indexes under way; tests wait for it.</summary>
    public Task Making { get; private set; } = Task.CompletedTask;

    /// <summary>The path as a column and the rest, or null where no index can be on it.</summary>
    public static (string Column, IReadOnlyList<object> Below)? Place(QueryPath path)
    {
        var (column, skip) = path.Steps switch
        {
            [{ Name: "tags" }, _, ..] => ("tags", 1),
            [{ Name: "properties" }, { Name: "desired" or "reported" }, { Name: not ("$version" or "$metadata") }, ..] => (path.Steps[1].Name!, 2),
            _ => ("", 0),
        };
        return skip == 0 ? null : (column, [.. path.Steps.Skip(skip).Select(step => step.Name ?? (object)step.Index)]);
    }

    /// <summary>Reads a path of <see cref="QueryOptions.IndexedPaths"/>.</summary>
    /// <exception cref="FormatException">It is none that an index can be on.</exception>
    public static void CheckPath(string text)
    {
        if (QueryParser.ParsePath(text).Value is not { } path || Place(path) is null)
        {
            throw new FormatException($"'{text}' is not a path below tags, properties.desired or properties.reported");
        }
    }

    /// <summary>Makes what is declared, and takes away what no longer is. Before the first query.</summary>
    public async Task LoadAsync(CancellationToken stopping)
    {
        var declared = options.IndexedPaths.Select(text => QueryParser.ParsePath(text).Value!).ToList();
        var kept = await database.WriteAsync(
            session =>
            {
                foreach (var path in declared)
                {
                    Create(session, Declared, path);
                }

                var wanted = declared.Select(path => NameOf(Declared, path)).ToHashSet();
                var names = session.List(database.Json.ListIndexes, row => row.GetString(0), ("@table", "twins"));
                foreach (var name in names.Where(name => name.StartsWith(Declared, StringComparison.Ordinal) && !wanted.Contains(name)))
                {
                    session.Execute($"DROP INDEX {name}"); // The name is of this class's own making.
                }

                return names.Where(name => name.StartsWith(Automatic, StringComparison.Ordinal)).Concat(wanted);
            },
            stopping);
        _known.UnionWith(kept);
    }

    /// <summary>A query that needed these paths to equal something took so long.</summary>
    public void Observe(IReadOnlyList<QueryPath> paths, TimeSpan elapsed)
    {
        if (elapsed < SlowQuery || paths.Count == 0)
        {
            return;
        }

        lock (_lock)
        {
            var path = paths[0];
            var name = NameOf(Automatic, path);
            if (Place(path) is null || _known.Contains(name) || paths.Any(other => _known.Contains(NameOf(Declared, other)))
                || _known.Count(known => known.StartsWith(Automatic, StringComparison.Ordinal)) >= MaxAutomatic
                || (!_asked.ContainsKey(name) && _asked.Count >= MaxCounted))
            {
                return;
            }

            _asked[name] = _asked.GetValueOrDefault(name) + 1;
            if (_asked[name] >= AskedOften)
            {
                _known.Add(name);
                Making = MakeAsync(Making, path);
            }
        }
    }

    private async Task MakeAsync(Task earlier, QueryPath path)
    {
        await earlier;
        try
        {
            var isMade = await database.WriteAsync(
                session =>
                {
                    if (session.Number("SELECT devices + modules FROM identity_counts WHERE id = 1") > MaxTwinsForAutomatic)
                    {
                        return false;
                    }

                    Create(session, Automatic, path);
                    return true;
                },
                CancellationToken.None);
            if (isMade)
            {
                Log.Made(logger, path.ToString());
            }
            else
            {
                Log.TooMany(logger, path.ToString());
            }
        }
        catch (IOException e)
        {
            Log.NotMade(logger, path.ToString(), e.Message);
        }
    }

    private void Create(SqlSession session, string prefix, QueryPath path)
    {
        var (column, below) = Place(path)!.Value;
        session.Execute(database.Json.IndexOn(NameOf(prefix, path), "twins", column, below, "device_id, module_id"));
    }

    private static string NameOf(string prefix, QueryPath path) =>
        prefix + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(path.ToString())).AsSpan(0, 8));

    private static partial class Log
    {
        [LoggerMessage(5401, LogLevel.Information, "Queries ask for {Path} often: it has an index now")]
        public static partial void Made(ILogger logger, string path);

        [LoggerMessage(5402, LogLevel.Information, "Queries ask for {Path} often, and there are many twins: consider it for Queries:IndexedPaths")]
        public static partial void TooMany(ILogger logger, string path);

        [LoggerMessage(5403, LogLevel.Warning, "An index on {Path} could not be made: {Reason}")]
        public static partial void NotMade(ILogger logger, string path, string reason);
    }
}
