using Nave.Hub.Devices;
using Nave.Storage;

namespace Nave.Hub.Queries;

/// <summary>
/// Paths into twin documents, by where their parts lie: columns of the twin, its identity, its device, its presence. Must
/// agree with <see cref="Twins.TwinJson"/>: a test compares both, path by path. And, beside the document, what the heartbeat
/// monitor has written of the device: the state of its last transition.
/// </summary>
internal sealed class TwinFields(bool ofModules, NodeIncarnation node) : ISqlFields
{
    private const string Never = "0001-01-01T00:00:00Z";

    private bool _needsIdentity;
    private bool _needsDevice;
    private bool _needsPresence;
    private bool _needsMonitor;

    /// <summary>Whether what presence has not written yet would matter.</summary>
    public bool NeedsPresence => _needsPresence;

    /// <summary>Whether a transition that is not written yet would matter.</summary>
    public bool NeedsMonitor => _needsMonitor;

    // CROSS JOIN is SQL for the twin first, and only then the rest, wherever the condition points the planner.
    /// <inheritdoc/>
    public string From =>
        "twins t" +
        (_needsIdentity ? " CROSS JOIN identities i ON i.device_id = t.device_id AND i.module_id = t.module_id" : "") +
        (_needsDevice ? " CROSS JOIN identities d ON d.device_id = t.device_id AND d.module_id = ''" : "") +
        (_needsPresence ? " LEFT JOIN presence p ON p.device_id = t.device_id AND p.module_id = t.module_id" : "") +
        (_needsMonitor ? " LEFT JOIN heartbeats h ON h.device_id = t.device_id AND h.module_id = ''" : "");

    /// <inheritdoc/>
    public string Filter => ofModules ? "t.module_id <> ''" : "t.module_id = ''";

    /// <inheritdoc/>
    public SqlOperand Resolve(QueryPath path, JsonSql json)
    {
        IReadOnlyList<object> rest = [.. path.Steps.Skip(1).Select(step => step.Name ?? (object)step.Index)];
        return path.Root switch
        {
            "tags" => SqlOperand.OfJson(json, "t.tags", rest),
            "properties" => Properties(rest, json),
            "configurations" => SqlOperand.OfJson(json, "t.configurations", rest),
            "x509Thumbprint" => SqlOperand.OfJson(json, json.Build(("primaryThumbprint", Identity("i.primary_thumbprint")), ("secondaryThumbprint", "i.secondary_thumbprint")), rest),
            "capabilities" => SqlOperand.OfJson(json, json.Build(("iotEdge", json.BuildBoolean(Identity("i.is_edge")))), rest),
            QueryFields.Monitor => Monitor((string)rest[0], json),
            "parentScopes" => SqlOperand.OfJson(json, json.BuildArray(Identity("i.parent_scope")), rest),
            _ => rest.Count == 0 ? Scalar(path.Root, json) : SqlOperand.Undefined,
        };
    }

    private SqlOperand Scalar(string name, JsonSql json) => name switch
    {
        "deviceId" => SqlOperand.OfText("t.device_id") with { Indexed = "t.device_id" },
        "moduleId" when ofModules => SqlOperand.OfText("t.module_id") with { Indexed = "t.module_id" },
        "etag" => SqlOperand.OfText(json.Base64Of("t.etag_counter")),
        "deviceEtag" => SqlOperand.OfText(Identity("i.etag")),
        "version" => SqlOperand.OfNumber("t.version"),
        "status" => SqlOperand.OfText($"CASE {Device("d.is_enabled")} WHEN 0 THEN 'disabled' ELSE 'enabled' END"),
        "statusReason" => SqlOperand.OfOptionalText(Device("d.status_reason")),
        "statusUpdateTime" => SqlOperand.OfText(TimeOf(Device("d.status_updated"), json)),
        "connectionState" => SqlOperand.OfText(
            $"CASE WHEN {Presence("p.is_connected")} <> 0 AND p.node = '{node.Id:N}' THEN 'Connected' ELSE 'Disconnected' END"),
        "lastActivityTime" => SqlOperand.OfText(TimeOf(Presence("p.last_activity"), json)),
        "cloudToDeviceMessageCount" => SqlOperand.OfNumber(
            "(SELECT count(*) FROM commands c WHERE c.device_id = t.device_id AND c.module_id = t.module_id AND c.generation_id = t.generation_id)"),
        "authenticationType" => SqlOperand.OfText(Identity("i.auth_type")),
        "modelId" => SqlOperand.OfText("coalesce(t.model_id, '')") with { IsPlainText = false },
        "deviceScope" => SqlOperand.OfOptionalText(Identity("i.device_scope")),
        _ => SqlOperand.Undefined,
    };

    // The numbers of HeartbeatState; a device of which nothing is written is unknown, one that was enabled again likewise.
    private SqlOperand Monitor(string name, JsonSql json)
    {
        _needsMonitor = true;
        return name is "since" ? SqlOperand.OfOptionalText($"CASE WHEN h.since IS NOT NULL THEN {json.Time("h.since")} END") : SqlOperand.OfText(
            $"CASE WHEN {Device("d.is_enabled")} = 0 THEN 'disabled' " +
            "ELSE CASE h.state WHEN 1 THEN 'online' WHEN 2 THEN 'late' WHEN 3 THEN 'offline' WHEN 4 THEN 'failing' WHEN 6 THEN 'sleeping' ELSE 'unknown' END END");
    }

    // Values, metadata and version of a section lie apart and read as one object.
    private static SqlOperand Properties(IReadOnlyList<object> path, JsonSql json)
    {
        if (path.Count == 0)
        {
            return Composite;
        }

        if (path[0] is not ("desired" or "reported"))
        {
            return SqlOperand.Undefined;
        }

        var section = (string)path[0];
        object[] rest = [.. path.Skip(1)];
        return rest switch
        {
            [] => Composite,
            ["$version"] => SqlOperand.OfNumber($"t.{section}_version"),
            ["$version", ..] => SqlOperand.Undefined,
            ["$metadata", ..] => SqlOperand.OfJson(
                json, section is "desired" ? "t.desired_metadata" : json.ExpandTimes("t.reported_stamps", "$lastUpdated"), [.. rest.Skip(1)]),
            _ => SqlOperand.OfJson(json, $"t.{section}", rest),
        };
    }

    // An object that is always there: nothing can be asked of it but that.
    private static SqlOperand Composite { get; } = new() { Object = "'{}'", Defined = "1" };

    private static string TimeOf(string ticks, JsonSql json) => $"CASE WHEN {ticks} IS NULL THEN '{Never}' ELSE {json.Time(ticks)} END";

    private string Identity(string column)
    {
        _needsIdentity = true;
        return column;
    }

    private string Device(string column)
    {
        _needsDevice = true;
        return column;
    }

    private string Presence(string column)
    {
        _needsPresence = true;
        return column;
    }
}
