using System.Text.Json;
using System.Text.Json.Nodes;
using Nave.Hub.Configurations;
using Nave.Hub.Devices;
using Nave.Hub.Tests.Harness;
using Nave.Hub.Twins;
using Nave.Storage;
using static Nave.Hub.Tests.Devices.RegistryHarness;

namespace Nave.Hub.Tests.Configurations;

/// <summary>Automatic device management against a whole hub: what reaches twins, what leaves them, and what a restart finds.</summary>
public sealed class ConfigurationTests
{
    [Fact]
    public async Task A_configuration_reaches_the_twins_that_match_and_shows_in_them()
    {
        await using var hub = await TestHub.StartAsync();
        await CreateAsync(hub, "in", tags: """{"site":"north"}""");
        await CreateAsync(hub, "out", tags: """{"site":"south"}""");
        await PutAsync(hub, "c", """{"properties.desired.fan.speed":7}""", "tags.site = 'north'");

        await UntilAsync(async () => await ShowsAsync(hub, "in", "c", "Applied"));

        var twin = await TwinAsync(hub, "in");
        Assert.Equal("7", twin["properties"]!["desired"]!["fan"]!["speed"]!.ToString());
        Assert.Equal("2", twin["properties"]!["desired"]!["$version"]!.ToString());
        Assert.Null((await TwinAsync(hub, "out"))["properties"]!["desired"]!["fan"]);
        Assert.Equal((1, 1), await CountAsync(hub, "c"));
    }

    [Fact]
    public async Task Devices_that_come_to_match_get_it_and_those_that_cease_lose_it()
    {
        await using var hub = await TestHub.StartAsync();
        await PutAsync(hub, "c", """{"properties.desired.a":1}""", "tags.on = true AND properties.reported.ready = true");
        await CreateAsync(hub, "dev", tags: """{"on":true}""", desired: """{"own":1}""");
        await ReportAsync(hub, "dev", """{"ready":true}""");
        await UntilAsync(async () => await ShowsAsync(hub, "dev", "c", "Applied"));

        await ReportAsync(hub, "dev", """{"ready":false}""");
        await UntilAsync(async () => await DesiredAsync(hub, "dev", "a") is null);

        Assert.Equal("1", await DesiredAsync(hub, "dev", "own"));
        await UntilAsync(async () => await CountAsync(hub, "c") == (0, 0));
        Assert.Equal("{}", (await TwinAsync(hub, "dev"))["configurations"]?.ToJsonString() ?? "{}");
    }

    [Fact]
    public async Task A_device_that_announces_another_model_comes_to_match()
    {
        await using var hub = await TestHub.StartAsync();
        await CreateAsync(hub, "dev");
        await PutAsync(hub, "c", """{"properties.desired.a":1}""", "modelId = 'dtmi:a:b;1'");

        var identity = await hub.Get<DeviceRegistry>().FindAsync(Id("dev"), default);
        await hub.Get<TwinStore>().KeepModelAsync(Id("dev"), identity!.GenerationId, "dtmi:a:b;1", default);

        await UntilAsync(async () => await DesiredAsync(hub, "dev", "a") == "1");
    }

    [Fact]
    public async Task The_highest_priority_wins_at_each_path_and_of_equals_the_last_created()
    {
        await using var hub = await TestHub.StartAsync();
        await CreateAsync(hub, "dev");
        await PutAsync(hub, "strong", """{"properties.desired.a":"strong","properties.desired.b":"strong"}""", "*", priority: 10);
        await PutAsync(hub, "weak", """{"properties.desired.a":"weak","properties.desired.c":"weak"}""", "*", priority: 1);
        await PutAsync(hub, "last", """{"properties.desired.b":"last"}""", "*", priority: 10);
        await PutAsync(hub, "beaten", """{"properties.desired.a":"beaten"}""", "*", priority: 2);

        await UntilAsync(async () => await ShowsAsync(hub, "dev", "beaten", "Targeted") && await ShowsAsync(hub, "dev", "last", "Applied"));

        Assert.Equal<IEnumerable<string?>>(["strong", "last", "weak"], [await DesiredAsync(hub, "dev", "a"), await DesiredAsync(hub, "dev", "b"), await DesiredAsync(hub, "dev", "c")]);
        Assert.True(await ShowsAsync(hub, "dev", "weak", "Applied"));
        Assert.Equal((1, 0), await CountAsync(hub, "beaten"));
    }

    [Fact]
    public async Task What_a_stronger_configuration_leaves_falls_to_the_next()
    {
        await using var hub = await TestHub.StartAsync();
        await CreateAsync(hub, "dev");
        await PutAsync(hub, "weak", """{"properties.desired.a":"weak"}""", "*", priority: 1);
        await PutAsync(hub, "strong", """{"properties.desired.a":"strong","properties.desired.b":"strong"}""", "*", priority: 2);
        await UntilAsync(async () => await DesiredAsync(hub, "dev", "a") == "strong");

        await hub.Get<ConfigurationRegistry>().DeleteAsync("strong", ETagCondition.Any, default);

        await UntilAsync(async () => await DesiredAsync(hub, "dev", "a") == "weak");
        Assert.Null(await DesiredAsync(hub, "dev", "b"));
        await UntilAsync(async () => await RowsAsync(hub, "configurations") == 1);
        Assert.Equal(1, await RowsAsync(hub, "configuration_targets"));
    }

    [Fact]
    public async Task What_a_back_end_changes_is_set_right_again()
    {
        await using var hub = await TestHub.StartAsync();
        await CreateAsync(hub, "dev");
        await PutAsync(hub, "c", """{"properties.desired.a":1}""", "*");
        await UntilAsync(async () => await DesiredAsync(hub, "dev", "a") == "1");

        await ChangeAsync(hub, "dev", """{"properties":{"desired":{"a":2,"b":3}}}""");

        await UntilAsync(async () => await DesiredAsync(hub, "dev", "a") == "1");
        Assert.Equal("3", await DesiredAsync(hub, "dev", "b"));
    }

    [Fact]
    public async Task A_changed_condition_and_priority_take_effect()
    {
        await using var hub = await TestHub.StartAsync();
        await CreateAsync(hub, "a");
        await CreateAsync(hub, "b");
        await PutAsync(hub, "first", """{"properties.desired.x":"first"}""", "*", priority: 1);
        await PutAsync(hub, "second", """{"properties.desired.x":"second"}""", "*", priority: 2);
        await UntilAsync(async () => await DesiredAsync(hub, "a", "x") == "second" && await DesiredAsync(hub, "b", "x") == "second");

        await PutAsync(hub, "first", null, "deviceId = 'a'", priority: 3, isUpdate: true);

        await UntilAsync(async () => await DesiredAsync(hub, "a", "x") == "first");
        await UntilAsync(async () => await CountAsync(hub, "first") == (1, 1));
        Assert.Equal("second", await DesiredAsync(hub, "b", "x"));
    }

    [Fact]
    public async Task Modules_are_targeted_by_a_condition_or_named_on_a_device()
    {
        await using var hub = await TestHub.StartAsync();
        await CreateAsync(hub, "dev");
        await CreateAsync(hub, "dev/pump");
        await PutContentAsync(hub, "picked", """{"moduleContent":{"properties.desired.a":1}}""", "FROM devices.modules WHERE moduleId = 'pump'", 0, isUpdate: false);
        await PutContentAsync(hub, "named", """{"modulesContent":{"pump":{"properties.desired.b":2},"absent":{"properties.desired.c":3}}}""", "*", 0, isUpdate: false);

        await UntilAsync(async () => await DesiredAsync(hub, "dev/pump", "a") == "1" && await DesiredAsync(hub, "dev/pump", "b") == "2");
        await CreateAsync(hub, "dev/absent");
        await UntilAsync(async () => await DesiredAsync(hub, "dev/absent", "c") == "3");

        Assert.True(await ShowsAsync(hub, "dev/pump", "picked", "Applied"));
        Assert.True(await ShowsAsync(hub, "dev", "named", "Applied"));
        await hub.Get<ConfigurationRegistry>().DeleteAsync("named", ETagCondition.Any, default);
        await UntilAsync(async () => await DesiredAsync(hub, "dev/pump", "b") is null);
        Assert.Equal("1", await DesiredAsync(hub, "dev/pump", "a"));
    }

    [Fact]
    public async Task A_twin_that_cannot_take_the_settings_counts_as_targeted_only()
    {
        await using var hub = await TestHub.StartAsync();
        await CreateAsync(hub, "dev");
        var values = string.Join(',', Enumerable.Range(0, 9).Select(i => $"\"properties.desired.v{i}\":\"{new string('x', 4000)}\""));
        await PutAsync(hub, "large", $"{{{values}}}", "*");
        await PutAsync(hub, "last", """{"properties.desired.a":1}""", "deviceId = 'nobody'");

        await UntilAsync(async () => hub.Log.Lines.Any(line => line.Id == 5604) && await CountAsync(hub, "large") == (1, 0));

        Assert.Null(await DesiredAsync(hub, "dev", "v0"));
    }

    [Fact]
    public async Task A_restart_finishes_what_was_begun()
    {
        using var directory = new TempDirectory();
        await using (var hub = await TestHub.StartAsync(dataDirectory: directory.PathOf("data")))
        {
            await CreateAsync(hub, "forgotten");
            await CreateAsync(hub, "noted");
            await CreateAsync(hub, "left", desired: """{"b":1}""");
            await PutAsync(hub, "kept", """{"properties.desired.a":1}""", "deviceId IN ['forgotten', 'noted']");
            await PutAsync(hub, "gone", """{"properties.desired.b":1}""", "deviceId = 'nobody'");
            await UntilAsync(async () => await DesiredAsync(hub, "noted", "a") == "1" && await DesiredAsync(hub, "forgotten", "a") == "1");

            // As a kill leaves it: one twin untouched and not in scope, one in scope and untouched, one touched by a
            // configuration that was deleted since.
            await hub.Get<HubDatabase>().WriteAsync(
                session =>
                {
                    session.Execute("UPDATE twins SET desired = jsonb('{}') WHERE device_id IN ('forgotten', 'noted')");
                    session.Execute("DELETE FROM configuration_targets WHERE device_id = 'forgotten'");
                    session.Execute("INSERT INTO configuration_targets SELECT 'left', '', number, 1 FROM configurations WHERE id = 'gone'");
                    session.Execute("UPDATE configurations SET is_deleted = 1, is_due = 1 WHERE id = 'gone'");
                },
                default);
        }

        await using (var hub = await TestHub.StartAsync(dataDirectory: directory.PathOf("data")))
        {
            await UntilAsync(async () => await DesiredAsync(hub, "noted", "a") == "1" && await DesiredAsync(hub, "forgotten", "a") == "1");
            await UntilAsync(async () => await DesiredAsync(hub, "left", "b") is null && await RowsAsync(hub, "configurations") == 1);
        }
    }

    [Fact]
    public async Task A_deleted_device_leaves_no_rows_and_a_new_one_of_its_name_starts_over()
    {
        await using var hub = await TestHub.StartAsync();
        await CreateAsync(hub, "dev");
        await PutAsync(hub, "c", """{"properties.desired.a":1}""", "*");
        await UntilAsync(async () => await DesiredAsync(hub, "dev", "a") == "1");

        await hub.Get<DeviceRegistry>().DeleteAsync(Id("dev"), ETagCondition.Any, default);
        Assert.Equal(0, await RowsAsync(hub, "configuration_targets"));
        await CreateAsync(hub, "dev");

        await UntilAsync(async () => await DesiredAsync(hub, "dev", "a") == "1");
    }

    private static async Task CreateAsync(TestHub hub, string id, string? tags = null, string? desired = null)
    {
        var outcome = await hub.Get<DeviceRegistry>().CreateAsync(Draft(id), default);
        Assert.Null(outcome.Failure);
        if (tags is not null || desired is not null)
        {
            await ChangeAsync(hub, id, $$"""{"tags":{{tags ?? "{}"}},"properties":{"desired":{{desired ?? "{}"}} } }""");
        }
    }

    private static async Task ChangeAsync(TestHub hub, string id, string twin)
    {
        using var body = JsonDocument.Parse(twin);
        var update = TwinUpdate.Read(body.RootElement, isReplace: false).Value!;
        Assert.Null((await hub.Get<IDeviceDirectory>().Of(Id(id)).ChangeTwinAsync(update, ETagCondition.Any)).Failure);
    }

    private static async Task ReportAsync(TestHub hub, string id, string patch)
    {
        var identity = await hub.Get<DeviceRegistry>().FindAsync(Id(id), default);
        var reported = ReportedPatch.Read(identity!.GenerationId, System.Text.Encoding.UTF8.GetBytes(patch), null, TimeProvider.System.GetUtcNow()).Value!;
        Assert.Null((await hub.Get<IDeviceDirectory>().Of(Id(id)).PatchReportedAsync(reported)).Failure);
    }

    private static Task PutAsync(TestHub hub, string id, string? device, string condition, int priority = 0, bool isUpdate = false) =>
        PutContentAsync(hub, id, device is null ? null : $$"""{"deviceContent":{{device}}}""", condition, priority, isUpdate);

    private static async Task PutContentAsync(TestHub hub, string id, string? content, string condition, int priority, bool isUpdate)
    {
        var document = new JsonObject { ["id"] = id, ["targetCondition"] = condition, ["priority"] = priority };
        if (content is not null)
        {
            document["content"] = JsonNode.Parse(content);
        }

        using var body = JsonDocument.Parse(document.ToJsonString());
        var draft = ConfigurationDraft.Read(id, body.RootElement);
        Assert.True(draft.Value is not null, draft.Failure?.Message);
        var registry = hub.Get<ConfigurationRegistry>();
        var outcome = isUpdate
            ? await registry.UpdateAsync(draft.Value, ETagCondition.Any, default)
            : await registry.CreateAsync(draft.Value, default);
        Assert.True(outcome.Value is not null, outcome.Failure?.Message);
    }

    private static async Task<JsonNode> TwinAsync(TestHub hub, string id) =>
        JsonNode.Parse(TwinJson.Write((await hub.Get<TwinStore>().GetAsync(Id(id), default)).Value!))!;

    private static async Task<string?> DesiredAsync(TestHub hub, string id, string path) =>
        (await TwinAsync(hub, id))["properties"]!["desired"]![path]?.ToString();

    private static async Task<bool> ShowsAsync(TestHub hub, string id, string configuration, string status) =>
        (await TwinAsync(hub, id))["configurations"]?[configuration]?["status"]?.ToString() == status;

    private static async Task<(long, long)> CountAsync(TestHub hub, string id)
    {
        var found = (await hub.Get<ConfigurationRegistry>().FindAsync(id, default)).Value!;
        return (await hub.Get<ConfigurationMetrics>().CountTargetsAsync([found], default))[0];
    }

    private static Task<long> RowsAsync(TestHub hub, string table) =>
        hub.Get<HubDatabase>().ReadAsync(session => session.Number($"SELECT COUNT(*) FROM {table}") ?? 0, default);

    // Twins follow configurations by themselves, and tell nobody.
    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        for (var i = 0; i < 1000 && !await condition(); i++)
        {
            await timer.WaitForNextTickAsync();
        }

        Assert.True(await condition());
    }
}
