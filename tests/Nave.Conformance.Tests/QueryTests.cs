using System.Text.Json.Nodes;
using Nave.Conformance.Tests.Harness;
using Nave.Tests;

namespace Nave.Conformance.Tests;

/// <summary>Queries with a client that knows nothing of Nave, and with the tool.</summary>
public sealed class QueryTests
{
    [Fact]
    [Conformance("query-language", 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 29)]
    [Conformance("service-rest", 24, 25)]
    public async Task Twins_are_queried_paged_projected_and_counted()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);

        var rows = await NodeClient.RunAsync(hub, "query.mjs", TimeSpan.FromMinutes(4), new Dictionary<string, string>(), stopping);

        NodeClient.AssertRows(rows, "query-language", 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 26, 29, 30, 31);
        NodeClient.AssertRows(rows, "service-rest", 24, 25);
    }

    [Fact]
    public async Task The_tool_shows_rows_as_a_table_or_json_and_points_at_what_is_wrong()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);
        foreach (var id in new[] { "a", "b", "c" })
        {
            await hub.CreateDeviceAsync(id, stopping);
            (await NaveTool.RunAsync(hub, stopping, "twin", "update", id, "--set", $"tags.name={id}{id}")).Done();
        }

        var json = JsonNode.Parse((await NaveTool.RunAsync(hub, stopping, "query", "SELECT deviceId, tags.name FROM devices", "--json", "--top", "2")).Done())!;
        var table = (await NaveTool.RunAsync(hub, stopping, "query", "SELECT * FROM devices WHERE tags.name = 'bb'")).Done();
        var some = (await NaveTool.RunAsync(hub, stopping, "query", "SELECT deviceId FROM devices", "--top", "1")).Done();
        var broken = await NaveTool.RunAsync(hub, stopping, "query", "SELECT * FROM devices WHERE tags.name == 'bb'");

        Assert.Equal("""[{"deviceId":"a","name":"aa"},{"deviceId":"b","name":"bb"}]""", json.ToJsonString());
        Assert.Contains("""{"name":"bb"}""", table);
        Assert.Contains("1 rows", table);
        Assert.Contains("and more", some);
        Assert.Equal(1, broken.ExitCode);
        Assert.Contains("  SELECT * FROM devices WHERE tags.name == 'bb'\n" + new string(' ', 2 + 39) + "^", broken.Errors);
    }
}
