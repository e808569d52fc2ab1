using System.Data.Common;
using System.Text.Json;
using Nave.Hub.Devices;
using Nave.Hub.Queries;
using Nave.Protocol.Identities;
using Nave.Storage;

namespace Nave.Hub.Configurations;

/// <summary>The SQL of configurations and their targets. Methods run inside a unit of <see cref="HubDatabase"/>.</summary>
internal static class ConfigurationStore
{
    private const string Columns = """
        SELECT number, id, schema_version, labels, content, condition, priority, metrics, created, updated, etag, is_deleted
        FROM configurations
        """;

    private const string ListAll = Columns + " ORDER BY priority, number";
    private const string FindOne = Columns + " WHERE id = @id AND is_deleted = 0";

    private const string CountLive = "SELECT COUNT(*) FROM configurations WHERE is_deleted = 0";

    private const string InsertOne = """
        INSERT INTO configurations (id, schema_version, labels, content, condition, priority, metrics, created, updated, etag, is_deleted, is_due)
        VALUES (@id, @schema, @labels, @content, @condition, @priority, @metrics, @created, @updated, @etag, 0, 1)
        RETURNING number
        """;

    private const string UpdateOne = """
        UPDATE configurations SET labels = @labels, condition = @condition, priority = @priority, metrics = @metrics,
            updated = @updated, etag = @etag, is_due = 1
        WHERE number = @number AND etag = @from AND is_deleted = 0
        """;

    private const string MarkDeleted = """
        UPDATE configurations SET is_deleted = 1, is_due = 1 WHERE number = @number AND etag = @from AND is_deleted = 0
        """;

    private const string MarkDone = "UPDATE configurations SET is_due = 0 WHERE number = @number AND etag = @etag AND is_deleted = 0";

    private const string ListDue = "SELECT number FROM configurations WHERE is_due = 1 ORDER BY number";

    private const string DeleteDone = """
        DELETE FROM configurations WHERE number = @number AND is_deleted = 1
            AND NOT EXISTS (SELECT 1 FROM configuration_targets WHERE number = @number)
        """;

    private const string ListOfTarget =
        "SELECT number, is_applied FROM configuration_targets WHERE device_id = @device AND module_id = @module";

    private const string PutTarget = """
        INSERT INTO configuration_targets (device_id, module_id, number, is_applied)
        SELECT device_id, module_id, @number, @applied FROM identities WHERE device_id = @device AND module_id = @module
        ON CONFLICT (device_id, module_id, number) DO UPDATE SET is_applied = excluded.is_applied
        """;

    private const string DeleteTarget =
        "DELETE FROM configuration_targets WHERE device_id = @device AND module_id = @module AND number = @number";

    private const string ListTargetsPage = """
        SELECT device_id, module_id FROM configuration_targets
        WHERE number = @number AND (device_id, module_id) > (@device, @module) ORDER BY device_id, module_id LIMIT @limit
        """;

    private const string ListAllTargetsPage = """
        SELECT DISTINCT device_id, module_id FROM configuration_targets
        WHERE (device_id, module_id) > (@device, @module) ORDER BY device_id, module_id LIMIT @limit
        """;

    private const string ListTargetsRange = """
        SELECT device_id, module_id FROM configuration_targets
        WHERE number = @number AND (device_id, module_id) > (@device, @module) AND (device_id, module_id) <= (@lastDevice, @lastModule)
        """;

    private const string CountTargets = "SELECT COUNT(*), SUM(is_applied) FROM configuration_targets WHERE number = @number";

    /// <summary>All, the deleted ones too, from the weakest to the strongest.</summary>
    public static List<Configuration> List(SqlSession session) => session.List(ListAll, Read);

    /// <summary>The living one of that id.</summary>
    public static Configuration? Find(SqlSession session, string id) => session.Find(FindOne, Read, ("@id", id));

    /// <summary>How many live.</summary>
    public static long Count(SqlSession session) => session.Number(CountLive) ?? 0;

    /// <summary>Adds one.</summary>
    /// <returns>With its number.</returns>
    public static Configuration Insert(SqlSession session, Configuration configuration) => configuration with
    {
        Number = session.Number(
            InsertOne,
            ("@id", configuration.Id),
            ("@schema", configuration.SchemaVersion),
            ("@labels", configuration.Labels),
            ("@content", configuration.Content.Json),
            ("@condition", configuration.TargetCondition),
            ("@priority", (long)configuration.Priority),
            ("@metrics", Write(configuration.Metrics)),
            ("@created", configuration.CreatedTime.UtcTicks),
            ("@updated", configuration.UpdatedTime.UtcTicks),
            ("@etag", configuration.ETag)) ?? throw new InvalidOperationException("An insert returned nothing."),
    };

    /// <summary>Replaces what may change of one that is still as it was read.</summary>
    public static bool TryUpdate(SqlSession session, Configuration from, Configuration to) => session.Execute(
        UpdateOne,
        ("@labels", to.Labels),
        ("@condition", to.TargetCondition),
        ("@priority", (long)to.Priority),
        ("@metrics", Write(to.Metrics)),
        ("@updated", to.UpdatedTime.UtcTicks),
        ("@etag", to.ETag),
        ("@number", from.Number),
        ("@from", from.ETag)) == 1;

    /// <summary>Marks one that is still as it was read: it targets nobody from now on.</summary>
    public static bool TryDelete(SqlSession session, Configuration from) =>
        session.Execute(MarkDeleted, ("@number", from.Number), ("@from", from.ETag)) == 1;

    /// <summary>Those whose definition has changed since all of their targets were looked at.</summary>
    public static List<long> ListChanged(SqlSession session) => session.List(ListDue, row => row.GetInt64(0));

    /// <summary>All targets have been looked at: one that was deleted goes, if nothing of it is left.</summary>
    public static void Done(SqlSession session, Configuration configuration)
    {
        if (configuration.IsDeleted)
        {
            session.Execute(DeleteDone, ("@number", configuration.Number));
        }
        else
        {
            session.Execute(MarkDone, ("@number", configuration.Number), ("@etag", configuration.ETag));
        }
    }

    /// <summary>The configurations that have an identity in scope, and whether each has a part in its twin.</summary>
    public static Dictionary<long, bool> ListOf(SqlSession session, IdentityId id) => session
        .List(ListOfTarget, row => (row.GetInt64(0), row.GetInt64(1) != 0), ("@device", id.Device.Value), ("@module", IdentityStore.ModuleColumn(id)))
        .ToDictionary(row => row.Item1, row => row.Item2);

    /// <summary>Writes down who has a living identity in scope, before its twin is changed.</summary>
    public static void PutTargets(SqlSession session, IdentityId id, IEnumerable<KeyValuePair<long, bool>> targets)
    {
        foreach (var (number, isApplied) in targets)
        {
            session.Execute(
                PutTarget,
                ("@number", number), ("@applied", isApplied ? 1 : 0),
                ("@device", id.Device.Value), ("@module", IdentityStore.ModuleColumn(id)));
        }
    }

    /// <summary>Forgets those that have it no more, after its twin was changed.</summary>
    public static void DeleteTargets(SqlSession session, IdentityId id, IEnumerable<long> numbers)
    {
        foreach (var number in numbers)
        {
            session.Execute(DeleteTarget, ("@device", id.Device.Value), ("@module", IdentityStore.ModuleColumn(id)), ("@number", number));
        }
    }

    /// <summary>The next identities that a configuration, or any, has in scope, in the order of their ids.</summary>
    public static List<IdentityId> ListTargets(SqlSession session, long? number, IdentityId? after, int limit)
    {
        var (device, module) = (after?.Device.Value ?? "", after is { } id ? IdentityStore.ModuleColumn(id) : "");
        return number is { } one
            ? session.List(ListTargetsPage, ReadId, ("@number", one), ("@device", device), ("@module", module), ("@limit", (long)limit))
            : session.List(ListAllTargetsPage, ReadId, ("@device", device), ("@module", module), ("@limit", (long)limit));
    }

    /// <summary>Those after one and up to another.</summary>
    public static List<IdentityId> ListTargetsUpTo(SqlSession session, long number, IdentityId? after, IdentityId last) => session.List(
        ListTargetsRange,
        ReadId,
        ("@number", number),
        ("@device", after?.Device.Value ?? ""),
        ("@module", after is { } id ? IdentityStore.ModuleColumn(id) : ""),
        ("@lastDevice", last.Device.Value),
        ("@lastModule", IdentityStore.ModuleColumn(last)));

    /// <summary>How many identities a configuration has in scope, and in how many twins it has a part.</summary>
    public static (long Targeted, long Applied) CountOf(SqlSession session, long number)
    {
        var counts = session.Find(CountTargets, row => new Counts(row.GetInt64(0), row.IsDBNull(1) ? 0 : row.GetInt64(1)), ("@number", number))!;
        return (counts.Targeted, counts.Applied);
    }

    private static IdentityId ReadId(DbDataReader row) => IdentityStore.ReadId(row, 0, 1);

    private static string Write(IReadOnlyDictionary<string, string> metrics) =>
        JsonSerializer.Serialize(metrics.ToDictionary(), ConfigurationJson.Default.DictionaryStringString);

    private static Configuration Read(DbDataReader row)
    {
        using var content = JsonDocument.Parse(row.GetString(4));
        var condition = row.GetString(5);
        return new Configuration
        {
            Number = row.GetInt64(0),
            Id = row.GetString(1),
            SchemaVersion = row.GetString(2),
            Labels = row.GetString(3),
            Content = ConfigurationContent.Read(content.RootElement).Value ?? new ConfigurationContent { Json = row.GetString(4) },
            TargetCondition = condition,
            Condition = QueryParser.ParseCondition(condition).Value,
            Priority = row.GetInt32(6),
            Metrics = JsonSerializer.Deserialize(row.GetString(7), ConfigurationJson.Default.DictionaryStringString)!,
            CreatedTime = new DateTimeOffset(row.GetInt64(8), TimeSpan.Zero),
            UpdatedTime = new DateTimeOffset(row.GetInt64(9), TimeSpan.Zero),
            ETag = row.GetString(10),
            IsDeleted = row.GetInt64(11) != 0,
        };
    }

    private sealed record Counts(long Targeted, long Applied);
}
