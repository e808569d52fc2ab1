using Nave.Hub.Devices;
using Nave.Hub.Queries;
using Nave.Hub.Tests.Devices;
using Nave.Protocol.Errors;
using Nave.Tests;

namespace Nave.Hub.Tests.Queries;

public sealed class QueryRunnerTests
{
    [Fact]
    [Conformance("query-language", 15)]
    public async Task Paging_through_250_twins_gives_each_once()
    {
        await using var hub = await WithDevicesAsync(250);
        var sizes = new List<int>();
        var ids = new List<string>();
        string? continuation = null;
        do
        {
            var page = await hub.PageAsync("SELECT * FROM devices", continuation, 100);
            sizes.Add(page.Rows.Count);
            ids.AddRange(page.Rows.Select(row => System.Text.Json.Nodes.JsonNode.Parse(row)!["deviceId"]!.ToString()));
            continuation = page.Continuation;
        }
        while (continuation is not null);

        Assert.Equal([100, 100, 50], sizes);
        Assert.Equal(Enumerable.Range(0, 250).Select(i => $"d{i:000}"), ids);
    }

    [Theory]
    [InlineData("SELECT TOP 3 * FROM devices")]
    [InlineData("SELECT TOP 3 deviceId FROM devices")]
    [InlineData("SELECT TOP 3 tags.n, COUNT() AS c FROM devices GROUP BY tags.n")]
    [Conformance("query-language", 13)]
    public async Task Top_caps_all_pages_together(string query)
    {
        await using var hub = await WithDevicesAsync(5);

        var first = await hub.PageAsync(query, null, 2);
        var second = await hub.PageAsync(query, first.Continuation, 2);

        Assert.Equal(2, first.Rows.Count);
        Assert.NotNull(first.Continuation);
        Assert.Single(second.Rows);
        Assert.Null(second.Continuation);
    }

    [Fact]
    public async Task A_page_that_ends_with_the_result_is_the_last()
    {
        await using var hub = await WithDevicesAsync(4);

        Assert.Null((await hub.PageAsync("SELECT * FROM devices", null, 4)).Continuation);
        Assert.Null((await hub.PageAsync("SELECT TOP 2 * FROM devices", null, 2)).Continuation);
        Assert.Null((await hub.PageAsync("SELECT TOP 9 * FROM devices WHERE deviceId = 'none'", null, 2)).Continuation);
    }

    [Fact]
    public async Task A_token_of_another_query_or_of_nobody_is_refused()
    {
        await using var hub = await WithDevicesAsync(5);
        var token = (await hub.PageAsync("SELECT * FROM devices", null, 2)).Continuation!;

        Assert.Contains("continuation token", await hub.RefusalAsync("SELECT * FROM devices WHERE true", token), StringComparison.Ordinal);
        foreach (var bad in new[] { "x", "1.", "1.!!", "2" + token[1..], token[..^3], token + new string('A', 2000), "1.AAAA" })
        {
            Assert.Contains("continuation token", await hub.RefusalAsync("SELECT * FROM devices", bad), StringComparison.Ordinal);
        }

        Assert.All(token, c => Assert.InRange(c, '!', '~'));
    }

    [Fact]
    public async Task Devices_that_go_and_come_between_pages_disturb_no_others()
    {
        await using var hub = await WithDevicesAsync(6);
        var first = await hub.PageAsync("SELECT deviceId FROM devices", null, 2);
        await hub.Registry.Registry.DeleteAsync(RegistryHarness.Id("d001"), ETagCondition.Any, default);
        await hub.Registry.Registry.DeleteAsync(RegistryHarness.Id("d003"), ETagCondition.Any, default);
        await hub.AddAsync("d0015");

        var second = await hub.PageAsync("SELECT deviceId FROM devices", first.Continuation, 100);

        Assert.Equal(["""{"deviceId":"d0015"}""", """{"deviceId":"d002"}""", """{"deviceId":"d004"}""", """{"deviceId":"d005"}"""], second.Rows.Select(row => System.Text.Encoding.UTF8.GetString(row)));
    }

    [Fact]
    public async Task The_longest_and_deepest_queries_run()
    {
        await using var hub = await WithDevicesAsync(3);
        var many = string.Join(" OR ", Enumerable.Range(0, 500).Select(i => $"tags.n={i}"));
        var deep = new string('(', 49) + "tags.n = 1" + new string(')', 49);
        var inversions = string.Concat(Enumerable.Repeat("NOT ", 48)) + "tags.n = 1";
        var chain = "tags.n" + string.Concat(Enumerable.Repeat(" + 0", 48)) + " = 1";
        var lists = "(tags.n IN [1])" + string.Concat(Enumerable.Repeat(" IN [true]", 47));
        var list = $"tags.n IN [{string.Join(',', Enumerable.Range(1, 1000).Select(i => i % 2 + 1))}]";

        Assert.Equal("d000,d001,d002", await hub.IdsAsync($"SELECT deviceId FROM devices WHERE {many}"));
        Assert.Equal("d001", await hub.IdsAsync($"SELECT deviceId FROM devices WHERE {deep}"));
        Assert.Equal("d001", await hub.IdsAsync($"SELECT deviceId FROM devices WHERE {inversions}"));
        Assert.Equal("d001", await hub.IdsAsync($"SELECT deviceId FROM devices WHERE {chain}"));
        Assert.Equal("d001", await hub.IdsAsync($"SELECT deviceId FROM devices WHERE {lists}"));
        Assert.Equal("d001,d002", await hub.IdsAsync($"SELECT deviceId FROM devices WHERE {list}"));
    }

    [Fact]
    public async Task Text_of_a_query_is_never_text_of_the_statement()
    {
        await using var hub = await WithDevicesAsync(2);
        await hub.AddAsync("evil", """{"x'); DROP TABLE twins; --":"'; DELETE FROM twins; --"}""");

        Assert.Equal("evil", await hub.IdsAsync("SELECT deviceId FROM devices WHERE tags.[[x'); DROP TABLE twins; --]] = '\\'; DELETE FROM twins; --'"));
        Assert.Equal("", await hub.IdsAsync("SELECT deviceId FROM devices WHERE tags.[[$\".a\"]] = 1 OR tags.[[a\\'b']] = 1"));
        Assert.Equal("d000,d001,evil", await hub.IdsAsync("SELECT deviceId FROM devices"));
    }

    [Fact]
    public async Task A_query_that_takes_too_long_is_given_up_and_the_reader_serves_the_next()
    {
        await using var hub = await WithDevicesAsync(1);
        await hub.CloneAsync("d000", 20_000);
        using var impatient = hub.CreateRunner(TimeSpan.FromMilliseconds(200));

        // Four hundred names that must be looked for member by member, in each of 20,000 twins: seconds.
        var slow = string.Join(" OR ", Enumerable.Range(0, 400).Select(i => $"tags.[[\"]]={i}"));
        var outcome = await impatient.RunAsync($"SELECT COUNT() AS n FROM devices WHERE {slow}", null, 100, default);
        var next = await hub.Runner.RunAsync("SELECT * FROM devices", null, 1, default);

        Assert.Equal(HubErrorCode.GenericTimeout, outcome.Failure?.Code);
        Assert.Single(next.Value!.Rows);
    }

    [Fact]
    public async Task Declared_paths_have_an_index_and_no_longer_when_they_are_not()
    {
        await using var hub = await WithDevicesAsync(3, "tags.n", "properties.reported.[[a'b]].c[0]");
        await hub.Indexes.LoadAsync(default);

        Assert.Contains("USING INDEX twins_at_", await PlanAsync(hub, "tags.n = 1"), StringComparison.Ordinal);
        Assert.Contains("USING INDEX twins_at_", await PlanAsync(hub, "status = 'enabled' AND tags.n IN [1, 2]"), StringComparison.Ordinal);
        Assert.DoesNotContain("twins_at_", await PlanAsync(hub, "tags.m = 1"), StringComparison.Ordinal);
        Assert.Equal("d001", await hub.IdsAsync("SELECT * FROM devices WHERE tags.n = 1"));

        var others = new QueryIndexes(hub.Registry.Database, new QueryOptions(), Microsoft.Extensions.Logging.Abstractions.NullLogger<QueryIndexes>.Instance);
        await others.LoadAsync(default);
        Assert.DoesNotContain("twins_at_", await PlanAsync(hub, "tags.n = 1"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_path_that_slow_queries_ask_for_often_gets_an_index()
    {
        await using var hub = await WithDevicesAsync(3);
        var path = QueryParser.ParsePath("tags.n").Value!;
        for (var i = 0; i < QueryIndexes.AskedOften - 1; i++)
        {
            hub.Indexes.Observe([path], QueryIndexes.SlowQuery);
        }

        hub.Indexes.Observe([path], TimeSpan.Zero);
        await hub.Indexes.Making;
        Assert.DoesNotContain("twins_auto_", await PlanAsync(hub, "tags.n = 1"), StringComparison.Ordinal);

        hub.Indexes.Observe([path], QueryIndexes.SlowQuery);
        await hub.Indexes.Making;
        Assert.Contains("USING INDEX twins_auto_", await PlanAsync(hub, "tags.n = 1"), StringComparison.Ordinal);
        Assert.Equal("d001", await hub.IdsAsync("SELECT * FROM devices WHERE tags.n = 1"));
    }

    [Theory]
    [InlineData("tags")]
    [InlineData("deviceId")]
    [InlineData("properties.reported.$version")]
    [InlineData("tags.a =")]
    public void Only_paths_into_twins_can_be_declared(string path) => Assert.Throws<FormatException>(() => QueryIndexes.CheckPath(path));

    [Fact]
    public async Task A_condition_lists_counts_and_judges_identities()
    {
        await using var hub = await WithDevicesAsync(5);
        await hub.AddAsync("d001/m1");
        await hub.AddAsync("d002/m1");
        var condition = QueryParser.ParseCondition("tags.n > 1").Value!;
        var modules = QueryParser.ParseCondition("FROM devices.modules WHERE moduleId = 'm1'").Value!;

        var first = (await hub.Runner.ListAsync(condition, null, 2, default)).Value!;
        var second = (await hub.Runner.ListAsync(condition, first.Ids[^1], 2, default)).Value!;
        var all = (await hub.Runner.ListAsync(modules, null, 10, default)).Value!;

        Assert.Equal(["d002", "d003"], first.Ids.Select(id => id.Device.Value));
        Assert.True(first.HasMore);
        Assert.Equal(["d004"], second.Ids.Select(id => id.Device.Value));
        Assert.False(second.HasMore);
        Assert.Equal([RegistryHarness.Id("d001/m1"), RegistryHarness.Id("d002/m1")], all.Ids);
        Assert.Equal((3, null), await hub.Runner.CountAsync(condition, default));
        Assert.Equal((true, false, false), await hub.Registry.Database.WriteAsync(
            session => (
                hub.Runner.Matches(session, condition, RegistryHarness.Id("d002")),
                hub.Runner.Matches(session, condition, RegistryHarness.Id("d001")),
                hub.Runner.Matches(session, condition, RegistryHarness.Id("d002/m1"))),
            default));
    }

    private static async Task<QueryHarness> WithDevicesAsync(int count, params string[] indexed)
    {
        var hub = await QueryHarness.CreateAsync(new QueryOptions { IndexedPaths = indexed });
        for (var i = 0; i < count; i++)
        {
            await hub.AddAsync($"d{i:000}", $$"""{"n":{{i}}}""");
        }

        return hub;
    }

    private static Task<string> PlanAsync(QueryHarness hub, string condition)
    {
        var table = new TwinTable(ofModules: false, hub.Reader, hub.Registry.Presence, new Nave.Hub.Heartbeats.HeartbeatWrites(TimeProvider.System), hub.Registry.Node);
        var statement = QueryStatement.OfKeys(table, hub.Registry.Database.Json, QueryParser.ParseCondition(condition).Value!.Where, null, 10);
        return hub.Registry.Database.ReadAsync(
            session =>
            {
                var plan = "";

                // EXPLAIN alone would not notice that the schema has changed; a statement that runs does.
                session.Number("SELECT count(*) FROM sqlite_master");
                session.ReadPart("EXPLAIN QUERY PLAN " + statement.Sql, [.. statement.Parameters], row =>
                {
                    plan += row.GetString(3) + "\n";
                    return true;
                });
                return plan;
            },
            default);
    }
}
