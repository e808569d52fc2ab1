using System.Data.Common;
using Nave.Hub.Twins;
using Nave.Protocol.Identities;
using Nave.Storage;
using Nave.Storage.Keys;

namespace Nave.Hub.Devices;

/// <summary>
/// The identities' SQL. Methods run inside a unit of <see cref="HubDatabase"/>; keys are wrapped on the way in and opened
/// on the way out. The ETag is the row's version: a change names the ETag and generation that it was made from, and
/// changes nothing when they are no longer those stored.
/// </summary>
internal sealed class IdentityStore(KeyWrapping wrapping)
{
    private const string Columns = """
        SELECT i.device_id, i.module_id, i.generation_id, i.etag, d.is_enabled, i.status_reason, i.status_updated, i.auth_type,
               i.primary_key, i.secondary_key, i.primary_thumbprint, i.secondary_thumbprint, i.is_edge, i.device_scope,
               i.parent_scope, i.managed_by
        FROM identities i JOIN identities d ON d.device_id = i.device_id AND d.module_id = ''
        """;

    private const string FindOne = Columns + " WHERE i.device_id = @device AND i.module_id = @module";
    private const string ListDevices = Columns + " WHERE i.module_id = '' ORDER BY i.device_id LIMIT @top";
    private const string ListOfDevice = Columns + " WHERE i.device_id = @device AND i.module_id <> '' ORDER BY i.module_id";

    private const string InsertOne = """
        INSERT INTO identities (device_id, module_id, generation_id, etag, is_enabled, status_reason, status_updated, auth_type,
            primary_key, secondary_key, primary_thumbprint, secondary_thumbprint, is_edge, device_scope, parent_scope, managed_by)
        VALUES (@device, @module, @generation, @etag, @enabled, @reason, @updated, @type, @key1, @key2, @print1, @print2, @edge,
            @scope, @parent, @managed)
        ON CONFLICT (device_id, module_id) DO NOTHING
        """;

    private const string UpdateOne = """
        UPDATE identities SET etag = @etag, is_enabled = @enabled, status_reason = @reason, status_updated = @updated,
            auth_type = @type, primary_key = @key1, secondary_key = @key2, primary_thumbprint = @print1,
            secondary_thumbprint = @print2, is_edge = @edge, device_scope = @scope, parent_scope = @parent, managed_by = @managed
        WHERE device_id = @device AND module_id = @module AND generation_id = @generation AND etag = @from
        """;

    private const string DeleteOne =
        "DELETE FROM identities WHERE device_id = @device AND module_id = @module AND generation_id = @generation AND etag = @from";

    private const string DeleteModules = "DELETE FROM identities WHERE device_id = @device AND module_id <> ''";

    private const string CountOne = "SELECT count(*) FROM identities WHERE device_id = @device AND module_id = @module";

    private const string CountModulesOf = "SELECT count(*) FROM identities WHERE device_id = @device AND module_id <> ''";

    private const string AddCounts =
        "UPDATE identity_counts SET devices = devices + @devices, enabled = enabled + @enabled, modules = modules + @modules WHERE id = 1";

    private const string ReadCounts = "SELECT devices, enabled, modules FROM identity_counts WHERE id = 1";

    /// <summary>The identity, or null. Of a module: with its device's status.</summary>
    public DeviceIdentity? Find(SqlSession session, IdentityId id) =>
        session.Find(FindOne, Read, ("@device", id.Device.Value), ("@module", ModuleColumn(id)));

    /// <summary>The first devices in the order of their ids.</summary>
    public List<DeviceIdentity> List(SqlSession session, int top) => session.List(ListDevices, Read, ("@top", top));

    /// <summary>The modules of a device in the order of their ids.</summary>
    public List<DeviceIdentity> ListModules(SqlSession session, DeviceId device) =>
        session.List(ListOfDevice, Read, ("@device", device.Value));

    /// <summary>How many modules the device has.</summary>
    public static long CountModules(SqlSession session, DeviceId device) =>
        session.Number(CountModulesOf, ("@device", device.Value)) ?? 0;

    /// <summary>How many identities there are.</summary>
    public static RegistryCounts Count(SqlSession session) =>
        session.Find(ReadCounts, row => new RegistryCounts(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2)))!;

    /// <summary>Whether there is such an identity.</summary>
    public static bool Exists(SqlSession session, IdentityId id) =>
        session.Number(CountOne, ("@device", id.Device.Value), ("@module", ModuleColumn(id))) > 0;

    /// <summary>Adds an identity with its twin.</summary>
    /// <returns>False when the id is taken.</returns>
    public bool TryInsert(SqlSession session, DeviceIdentity identity)
    {
        var authentication = identity.Authentication;
        var rows = session.Execute(
            InsertOne,
            ("@device", identity.Id.Device.Value),
            ("@module", ModuleColumn(identity.Id)),
            ("@generation", identity.GenerationId),
            ("@etag", identity.ETag),
            ("@enabled", identity.IsEnabled ? 1 : 0),
            ("@reason", identity.StatusReason),
            ("@updated", identity.StatusUpdatedTime?.UtcTicks),
            ("@type", IdentityWords.Of(authentication.Type)),
            ("@key1", Wrap(identity, authentication.PrimaryKey, "primary")),
            ("@key2", Wrap(identity, authentication.SecondaryKey, "secondary")),
            ("@print1", authentication.PrimaryThumbprint),
            ("@print2", authentication.SecondaryThumbprint),
            ("@edge", identity.IsEdge ? 1 : 0),
            ("@scope", identity.DeviceScope),
            ("@parent", identity.ParentScopes is [var parent] ? parent : null),
            ("@managed", identity.ManagedBy));
        if (rows == 0)
        {
            return false;
        }

        TwinWriter.Create(session, identity.Id, identity.GenerationId);
        var (device, module) = identity.Id.IsModule ? (0, 1) : (1, 0);
        session.Execute(AddCounts, ("@devices", device), ("@enabled", identity.IsEnabled ? device : 0), ("@modules", module));
        return true;
    }

    /// <summary>Replaces an identity that is still as it was read.</summary>
    /// <returns>False when it is not.</returns>
    public bool TryUpdate(SqlSession session, DeviceIdentity from, DeviceIdentity to)
    {
        var authentication = to.Authentication;
        var rows = session.Execute(
            UpdateOne,
            ("@device", to.Id.Device.Value),
            ("@module", ModuleColumn(to.Id)),
            ("@generation", from.GenerationId),
            ("@from", from.ETag),
            ("@etag", to.ETag),
            ("@enabled", to.IsEnabled ? 1 : 0),
            ("@reason", to.StatusReason),
            ("@updated", to.StatusUpdatedTime?.UtcTicks),
            ("@type", IdentityWords.Of(authentication.Type)),
            ("@key1", Wrap(to, authentication.PrimaryKey, "primary")),
            ("@key2", Wrap(to, authentication.SecondaryKey, "secondary")),
            ("@print1", authentication.PrimaryThumbprint),
            ("@print2", authentication.SecondaryThumbprint),
            ("@edge", to.IsEdge ? 1 : 0),
            ("@scope", to.DeviceScope),
            ("@parent", to.ParentScopes is [var parent] ? parent : null),
            ("@managed", to.ManagedBy));
        if (rows == 0)
        {
            return false;
        }

        if (!to.Id.IsModule && from.IsEnabled != to.IsEnabled)
        {
            session.Execute(AddCounts, ("@devices", 0), ("@enabled", to.IsEnabled ? 1 : -1), ("@modules", 0));
        }

        return true;
    }

    /// <summary>Deletes an identity that is still as it was read; of a device, its modules too.</summary>
    /// <returns>False when it is not.</returns>
    public static bool TryDelete(SqlSession session, DeviceIdentity from)
    {
        var rows = session.Execute(
            DeleteOne,
            ("@device", from.Id.Device.Value),
            ("@module", ModuleColumn(from.Id)),
            ("@generation", from.GenerationId),
            ("@from", from.ETag));
        if (rows == 0)
        {
            return false;
        }

        if (from.Id.IsModule)
        {
            session.Execute(AddCounts, ("@devices", 0), ("@enabled", 0), ("@modules", -1));
            return true;
        }

        var modules = session.Execute(DeleteModules, ("@device", from.Id.Device.Value));
        session.Execute(AddCounts, ("@devices", -1), ("@enabled", from.IsEnabled ? -1 : 0), ("@modules", -modules));
        return true;
    }

    /// <summary>How the tables name a module; empty for the device itself.</summary>
    public static string ModuleColumn(IdentityId id) => id.Module?.Value ?? "";

    /// <summary>Reads an id from its two columns.</summary>
    public static IdentityId ReadId(DbDataReader row, int device, int module)
    {
        var name = row.GetString(module);
        return new IdentityId(DeviceId.Parse(row.GetString(device)), name.Length == 0 ? null : ModuleId.Parse(name));
    }

    private DeviceIdentity Read(DbDataReader row)
    {
        var id = ReadId(row, 0, 1);
        var generation = row.GetString(2);
        return new DeviceIdentity
        {
            Id = id,
            GenerationId = generation,
            ETag = row.GetString(3),
            IsEnabled = row.GetInt64(4) != 0,
            StatusReason = Text(row, 5),
            StatusUpdatedTime = row.IsDBNull(6) ? null : new DateTimeOffset(row.GetInt64(6), TimeSpan.Zero),
            Authentication = new IdentityAuthentication(IdentityWords.ParseType(row.GetString(7)) ?? AuthenticationType.None)
            {
                PrimaryKey = Unwrap(row, 8, id, generation, "primary"),
                SecondaryKey = Unwrap(row, 9, id, generation, "secondary"),
                PrimaryThumbprint = Text(row, 10),
                SecondaryThumbprint = Text(row, 11),
            },
            IsEdge = row.GetInt64(12) != 0,
            DeviceScope = Text(row, 13),
            ParentScopes = Text(row, 14) is { } parent ? [parent] : [],
            ManagedBy = Text(row, 15),
        };
    }

    private static string? Text(DbDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    private byte[]? Wrap(DeviceIdentity identity, string? key, string which) =>
        key is null ? null : wrapping.Wrap(Convert.FromBase64String(key), ContextOf(identity.Id, identity.GenerationId, which));

    private string? Unwrap(DbDataReader row, int column, IdentityId id, string generation, string which) =>
        row.IsDBNull(column) ? null : Convert.ToBase64String(wrapping.Unwrap((byte[])row[column], ContextOf(id, generation, which)));

    // Changing this makes every stored key unreadable.
    private static string ContextOf(IdentityId id, string generation, string which) => $"identity{id.ToPath()}/{generation}/{which}";
}

/// <summary>How many identities there are; modules are not devices.</summary>
internal sealed record RegistryCounts(long Devices, long EnabledDevices, long Modules);
