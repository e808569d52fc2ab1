using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Nave.Hub.Devices;
using Nave.Hub.Queries;
using Nave.Hub.Tests.Devices;
using Nave.Hub.Twins;
using Nave.Protocol.Errors;

namespace Nave.Hub.Tests.Queries;

/// <summary>Queries over a registry and twins of their own, and the verbs of their tests.</summary>
internal sealed class QueryHarness : IAsyncDisposable
{
    private const string WriteTwin = """
        UPDATE twins SET tags = jsonb(@tags), desired = jsonb(@desired), reported = jsonb(@reported), desired_version = @version,
            reported_version = @version, configurations = jsonb(@configurations) WHERE device_id = @device AND module_id = @module
        """;

    private const string Numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < @count) ";

    private const string CloneIdentity = Numbers + """
        INSERT INTO identities (device_id, module_id, generation_id, etag, is_enabled, auth_type, is_edge)
        SELECT device_id || '-' || i, module_id, generation_id, etag, is_enabled, auth_type, is_edge FROM identities, n WHERE device_id = @device
        """;

    private const string CloneTwin = Numbers + """
        INSERT INTO twins (device_id, module_id, generation_id, version, etag_counter, desired_version, reported_version, tags, desired, reported,
            desired_metadata, reported_stamps)
        SELECT device_id || '-' || i, module_id, generation_id, version, etag_counter, desired_version, reported_version, tags, desired, reported,
            desired_metadata, reported_stamps FROM twins, n WHERE device_id = @device
        """;

    private QueryHarness(RegistryHarness registry, QueryOptions options)
    {
        Registry = registry;
        Reader = new TwinReader(registry.Presence);
        Indexes = new QueryIndexes(registry.Database, options, NullLogger<QueryIndexes>.Instance);
        Runner = new QueryRunner(
            registry.Database,
            new QueryTables(Reader, registry.Presence, new Nave.Hub.Heartbeats.HeartbeatWrites(TimeProvider.System), registry.Node),
            Indexes,
            options,
            TimeProvider.System,
            NullLogger<QueryRunner>.Instance);
    }

    public RegistryHarness Registry { get; }

    public TwinReader Reader { get; }

    public QueryRunner Runner { get; }

    public QueryIndexes Indexes { get; }

    public static async Task<QueryHarness> CreateAsync(QueryOptions? options = null) =>
        new(await RegistryHarness.CreateAsync(), options ?? new QueryOptions());

    /// <summary>A device, or a module as <c>device/module</c>, with a twin.</summary>
    public async Task AddAsync(
        string id, string tags = "{}", string reported = "{}", string desired = "{}", int version = 1, string? configurations = null)
    {
        await Registry.CreateAsync(id);
        var identity = RegistryHarness.Id(id);
        await Registry.Database.WriteAsync(
            session => session.Execute(
                WriteTwin,
                ("@tags", tags), ("@desired", desired), ("@reported", reported), ("@version", version), ("@configurations", configurations),
                ("@device", identity.Device.Value), ("@module", IdentityStore.ModuleColumn(identity))),
            default);
    }

    /// <summary>Copies of a device and its twin, all at once: <c>id-1</c>, <c>id-2</c>, ...</summary>
    public Task CloneAsync(string id, int count) => Registry.Database.WriteAsync(
        session =>
        {
            session.Execute(CloneIdentity, ("@count", count), ("@device", id));
            session.Execute(CloneTwin, ("@count", count), ("@device", id));
        },
        default);

    /// <summary>A runner on the same data that gives up earlier.</summary>
    public QueryRunner CreateRunner(TimeSpan timeout) => new(
        Registry.Database,
        new QueryTables(Reader, Registry.Presence, new Nave.Hub.Heartbeats.HeartbeatWrites(TimeProvider.System), Registry.Node),
        Indexes,
        new QueryOptions { Timeout = timeout },
        TimeProvider.System,
        NullLogger<QueryRunner>.Instance);

    /// <summary>All rows of a query that must succeed.</summary>
    public async Task<List<JsonNode>> RunAsync(string query, int pageSize = 1000)
    {
        var rows = new List<JsonNode>();
        string? continuation = null;
        do
        {
            var page = await PageAsync(query, continuation, pageSize);
            rows.AddRange(page.Rows.Select(row => JsonNode.Parse(row)!));
            continuation = page.Continuation;
        }
        while (continuation is not null);
        return rows;
    }

    /// <summary>One page of a query that must succeed.</summary>
    public async Task<QueryPage> PageAsync(string query, string? continuation = null, int pageSize = 1000)
    {
        var outcome = await Runner.RunAsync(query, continuation, pageSize, TestContext.Current.CancellationToken);
        Assert.True(outcome.Value is not null, outcome.Failure?.Message);
        return outcome.Value;
    }

    /// <summary>The ids of the twins that a query selects: <c>device</c> or <c>device/module</c>, with commas between.</summary>
    public async Task<string> IdsAsync(string query) => string.Join(
        ",", (await RunAsync(query)).Select(row => row["moduleId"] is { } module ? $"{row["deviceId"]}/{module}" : row["deviceId"]!.ToString()));

    /// <summary>The refusal of a query.</summary>
    public async Task<string> RefusalAsync(string query, string? continuation = null)
    {
        var outcome = await Runner.RunAsync(query, continuation, 100, TestContext.Current.CancellationToken);
        Assert.Equal(HubErrorCode.ArgumentInvalid, outcome.Failure?.Code);
        return outcome.Failure!.Message;
    }

    public ValueTask DisposeAsync()
    {
        Runner.Dispose();
        return Registry.DisposeAsync();
    }
}
