using System.Text;
using Nave.Hub.Devices;
using Nave.Protocol.Identities;
using Nave.Tests;

namespace Nave.Hub.Tests.Queries;

/// <summary>The examples of spec/query-language.md A5 on a registry made for them, and the rules they show.</summary>
[Conformance("query-language", 1)]
public sealed class QueryExampleTests : IAsyncLifetime
{
    private QueryHarness _hub = null!;

    public async ValueTask InitializeAsync()
    {
        _hub = await QueryHarness.CreateAsync();
        await _hub.AddAsync(
            "gw1", """{"site":"north","owner":"ada","floor-2":{"room":"B"}}""", """{"batt":10,"net":"wifi","fw":{"ver":"1"},"temp":20}""",
            """{"fw":{"ver":"2"}}""", version: 101, configurations: """{"fw-2016":{"status":"Applied"}}""");
        await _hub.AddAsync(
            "gw2", """{"site":"north","kind":"pump","wave":2}""", """{"batt":"10","net":"lte","fw":{"ver":"1"},"temp":"hot"}""", """{"fw":{"ver":"1"}}""",
            configurations: """{"fw-2016":{"status":"Targeted"}}""");
        await _hub.AddAsync("pump-1", """{"site":"south","kind":"pump","n":5}""", """{"batt":50,"temp":10.5,"net":7}""", """{"fw":{"ver":"1"}}""");
        await _hub.AddAsync("pump-2", """{"kind":"pump","Site":"north","n":6}""", """{"temp":30}""");
        await _hub.AddAsync("pump-3", """{"site":"south","n":"5"}""");
        await _hub.AddAsync("gw1/$edgeHub");
        await _hub.AddAsync("gw1/other");
        await _hub.AddAsync("gw2/$edgeHub");
        await _hub.AddAsync("pump-1/$edgeHub");
        await _hub.Registry.Database.WriteAsync(
            session =>
            {
                session.Execute("UPDATE identities SET is_enabled = 0 WHERE device_id = 'pump-3'");
                session.Execute("UPDATE identities SET is_edge = 1 WHERE device_id = 'gw2' AND module_id = ''");
            },
            default);
    }

    public ValueTask DisposeAsync() => _hub.DisposeAsync();

    [Theory]
    [InlineData("SELECT * FROM devices", "gw1,gw2,pump-1,pump-2,pump-3")]
    [InlineData("SELECT deviceId FROM devices WHERE tags.site = 'north'", "gw1,gw2")]
    [InlineData("SELECT * FROM devices WHERE tags.site = 'north' AND properties.reported.batt < 20", "gw1")]
    [InlineData("SELECT * FROM devices WHERE properties.reported.net IN ['wifi','lte']", "gw1,gw2")]
    [InlineData("SELECT * FROM devices WHERE properties.reported.net NIN ['wifi']", "gw2,pump-1")]
    [InlineData("SELECT * FROM devices WHERE NOT is_defined(tags.owner)", "gw2,pump-1,pump-2,pump-3")]
    [InlineData("SELECT * FROM devices WHERE status = 'disabled'", "pump-3")]
    [InlineData("SELECT * FROM devices WHERE properties.desired.fw.ver != properties.reported.fw.ver", "gw1")]
    [InlineData("SELECT * FROM devices WHERE STARTSWITH(deviceId, 'pump-')", "pump-1,pump-2,pump-3")]
    [InlineData("SELECT * FROM devices WHERE capabilities.iotEdge = true", "gw2")]
    [InlineData("SELECT * FROM devices.modules WHERE moduleId = '$edgeHub' AND deviceId IN ['gw1','gw2']", "gw1/$edgeHub,gw2/$edgeHub")]
    [InlineData("SELECT deviceId FROM devices WHERE configurations.[[fw-2016]].status = 'Applied'", "gw1")]
    [InlineData("SELECT * FROM devices WHERE tags.[[floor-2]].room = 'B'", "gw1")]
    [InlineData("SELECT TOP 10 * FROM devices WHERE properties.reported.$version > 100", "gw1")]
    public async Task An_example_selects_what_the_file_says(string query, string ids) => Assert.Equal(ids, await _hub.IdsAsync(query));

    [Theory]
    [InlineData("SELECT COUNT() AS n FROM devices", """[{"n":5}]""")]
    [InlineData("SELECT COUNT() AS n, tags.site FROM devices GROUP BY tags.site", """[{"n":1},{"n":2,"site":"north"},{"n":2,"site":"south"}]""")]
    [InlineData(
        "SELECT AVG(properties.reported.temp) AS t, MIN(properties.reported.temp) AS lo FROM devices WHERE tags.kind = 'pump'",
        """[{"t":20.25,"lo":10.5}]""")]
    [InlineData("SELECT SUM(properties.reported.batt) AS s, MAX(properties.reported.batt) AS m, COUNT() FROM devices", """[{"s":60,"m":50,"$1":5}]""")]
    [InlineData("SELECT COUNT() AS n, AVG(tags.n) AS a FROM devices WHERE tags.site = 'nowhere'", """[{"n":0}]""")]
    [InlineData("SELECT tags.n, COUNT() AS c FROM devices WHERE IS_DEFINED(tags.n) GROUP BY tags.n", """[{"n":5,"c":1},{"n":6,"c":1},{"n":"5","c":1}]""")]
    [InlineData("SELECT COUNT() AS c, capabilities.iotEdge FROM devices GROUP BY capabilities.iotEdge", """[{"c":4,"iotEdge":false},{"c":1,"iotEdge":true}]""")]
    [InlineData("SELECT tags.site FROM devices GROUP BY tags.site", """[{},{"site":"north"},{"site":"south"}]""")]
    [InlineData("SELECT TOP 1 tags.site AS x FROM devices WHERE IS_DEFINED(tags.site) GROUP BY tags.site, status", """[{"x":"north"}]""")]
    [Conformance("query-language", 9)]
    public async Task An_aggregate_makes_the_rows_the_file_says(string query, string rows)
    {
        var page = await _hub.PageAsync(query);

        Assert.Equal("Raw", page.ItemType);
        Assert.Equal(Sorted(rows), Sorted($"[{string.Join(',', page.Rows.Select(row => System.Text.Encoding.UTF8.GetString(row)))}]"));
    }

    [Fact]
    [Conformance("query-language", 4)]
    public async Task Built_in_names_have_any_case_and_come_back_as_documents_spell_them()
    {
        var rows = await _hub.RunAsync("SELECT DeviceId, LastActivityTime, TAGS.site FROM devices WHERE deviceid = 'gw1'");

        Assert.Equal("""{"deviceId":"gw1","lastActivityTime":"0001-01-01T00:00:00Z","site":"north"}""", rows.Single().ToJsonString());
    }

    [Theory]
    [InlineData("tags.Site = 'north'", "pump-2")]
    [InlineData("tags.site = 'North'", "")]
    [Conformance("query-language", 5)]
    public async Task Names_and_values_below_are_exact(string condition, string ids) =>
        Assert.Equal(ids, await _hub.IdsAsync($"SELECT deviceId FROM devices WHERE {condition}"));

    [Theory]
    [InlineData("tags.nope = 1", "")]
    [InlineData("tags.nope != 1", "")]
    [InlineData("tags.nope NIN [1]", "")]
    [InlineData("tags.nope < 1", "")]
    [InlineData("NOT tags.nope = 1", "")]
    [InlineData("NOT is_defined(tags.site)", "pump-2")]
    [InlineData("tags.site != tags.owner", "gw1")]
    [InlineData("moduleId = 'x' OR NOT moduleId = 'x'", "")]
    [InlineData("'text'", "")]
    [InlineData("tags.n", "")]
    [InlineData("null", "")]
    [Conformance("query-language", 6, 8)]
    public async Task What_is_missing_selects_nothing(string condition, string ids) =>
        Assert.Equal(ids, await _hub.IdsAsync($"SELECT deviceId FROM devices WHERE {condition}"));

    [Theory]
    [InlineData("tags.n = '5'", "pump-3")]
    [InlineData("tags.n = 5", "pump-1")]
    [InlineData("NOT tags.n = 5", "pump-2")]
    [InlineData("tags.n = 0x5 OR tags.n = 0x1F - 25", "pump-1,pump-2")]
    [InlineData("tags.n + 1 = 7", "pump-2")]
    [InlineData("tags.n / 2 = 2.5", "pump-1")]
    [InlineData("tags.n % 4 = 1 AND tags.n - 4 = 1", "pump-1")]
    [Conformance("query-language", 7, 30, 31)]
    public async Task Types_are_never_converted(string condition, string ids) =>
        Assert.Equal(ids, await _hub.IdsAsync($"SELECT deviceId FROM devices WHERE {condition}"));

    [Fact]
    [Conformance("query-language", 11)]
    public async Task The_spellings_of_routes_are_refused()
    {
        Assert.Contains("twin queries have STARTSWITH", await _hub.RefusalAsync("SELECT * FROM devices WHERE STARTS_WITH(deviceId, 'p')"), StringComparison.Ordinal);
        Assert.Equal("gw1,pump-1", await _hub.IdsAsync("SELECT * FROM devices WHERE ENDSWITH(deviceId, '1')"));
    }

    [Theory]
    [InlineData("SELECT COUNT() AS n, tags.kind FROM devices GROUP BY tags.site")]
    [InlineData("SELECT deviceId FROM devices GROUP BY tags.site")]
    [Conformance("query-language", 10)]
    public async Task What_is_selected_beside_groups_must_be_grouped(string query) =>
        Assert.Contains("neither an aggregate nor in GROUP BY", await _hub.RefusalAsync(query), StringComparison.Ordinal);

    [Fact]
    [Conformance("query-language", 12)]
    public async Task Quoted_segments_work_in_both_places()
    {
        var rows = await _hub.RunAsync("SELECT tags.[[floor-2]].room, tags.floor-2 AS f FROM devices WHERE tags.[[floor-2]].room = 'B' AND tags.floor-2.room = 'B'");

        Assert.Equal("""{"room":"B","f":{"room":"B"}}""", rows.Single().ToJsonString());
    }

    [Theory]
    [InlineData("SELECT deviceId FROM devices.jobs")]
    [InlineData("SELECT COUNT() AS n FROM devices.jobs")]
    [InlineData("SELECT * FROM devices.jobs GROUP BY status")]
    [Conformance("query-language", 14)]
    public async Task Jobs_know_neither_lists_nor_aggregates(string query) =>
        Assert.Contains("The query is invalid", await _hub.RefusalAsync(query), StringComparison.Ordinal);

    [Theory]
    [InlineData("true OR undefined", "gw1,gw2,pump-1,pump-2,pump-3")]
    [InlineData("NOT undefined", "")]
    [InlineData("tags.nope = 1 AND false OR tags.n = 5", "pump-1")]
    public async Task Logic_has_three_values(string condition, string ids) =>
        Assert.Equal(ids, await _hub.IdsAsync($"SELECT deviceId FROM devices WHERE {condition}"));

    [Fact]
    public async Task Sections_come_with_their_metadata_and_version()
    {
        var row = (await _hub.RunAsync("SELECT properties.reported, properties.desired.$version AS v, nothing FROM devices WHERE deviceId = 'gw1'")).Single();

        Assert.Equal(101, (int)row["reported"]!["$version"]!);
        Assert.Equal(10, (int)row["reported"]!["batt"]!);
        Assert.NotNull(row["reported"]!["$metadata"]);
        Assert.Equal(101, (int)row["v"]!);
        Assert.Equal(["reported", "v"], row.AsObject().Select(member => member.Key));
    }

    [Theory]
    [InlineData("""jsonb('{"":1,"a":{"":2,"b":2}}')""")]
    [InlineData("""'{"$lastUpdated":"0001-01-01T00:00:00.0000001Z","a":{"$lastUpdated":"0001-01-01T00:00:00.0000002Z","b":{"$lastUpdated":"0001-01-01T00:00:00.0000002Z"}}}'""")]
    public async Task Metadata_of_reported_properties_reads_as_written_out_however_it_is_kept(string stamps)
    {
        await _hub.Registry.Database.WriteAsync(
            session => session.Execute($"UPDATE twins SET reported_stamps = {stamps} WHERE device_id = 'gw1'"), default);

        const string Condition = "WHERE properties.reported.$metadata.a.b.$lastUpdated = '0001-01-01T00:00:00.0000002Z'";
        var part = (await _hub.PageAsync("SELECT properties.reported.$metadata AS m FROM devices " + Condition)).Rows.Single();
        var whole = (await _hub.PageAsync("SELECT * FROM devices " + Condition)).Rows.Single();

        const string Metadata =
            """{"$lastUpdated":"0001-01-01T00:00:00.0000001Z","a":{"$lastUpdated":"0001-01-01T00:00:00.0000002Z","b":{"$lastUpdated":"0001-01-01T00:00:00.0000002Z"}}}""";
        Assert.Equal("{\"m\":" + Metadata + "}", Encoding.UTF8.GetString(part));
        Assert.Contains(",\"$metadata\":" + Metadata + ",\"$version\":101}", Encoding.UTF8.GetString(whole), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Connection_states_are_those_of_this_moment()
    {
        var presence = _hub.Registry.Presence;
        var id = new IdentityId(DeviceId.Parse("gw2"));
        presence.Connected(id, new SessionName(_hub.Registry.Node.Id, 1, 1), DeviceProtocol.Mqtt);

        const string connected = "SELECT deviceId FROM devices WHERE connectionState = 'Connected' AND lastActivityTime < '2026-07-19T00:00:00Z'";
        Assert.Equal("gw2", await _hub.IdsAsync(connected));
        Assert.Equal("gw2", await _hub.IdsAsync("SELECT * FROM devices WHERE connectionState = 'Connected'"));

        presence.Disconnected(id, new SessionName(_hub.Registry.Node.Id, 1, 1), CloseReason.PeerClosed);
        Assert.Equal("", await _hub.IdsAsync(connected));
    }

    private static IEnumerable<string> Sorted(string rows) =>
        System.Text.Json.Nodes.JsonNode.Parse(rows)!.AsArray().Select(row => row!.ToJsonString()).Order(StringComparer.Ordinal);
}
