using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Nave.EventLog;
using Nave.Hub.Devices;
using Nave.Hub.Heartbeats;
using Nave.Hub.Hosting;
using Nave.Hub.Queries;
using Nave.Hub.Telemetry;
using Nave.Hub.Tests.Devices;
using Nave.Hub.Tests.Harness;
using Nave.Hub.Twins;
using Nave.Protocol.Identities;
using Nave.Storage;
using Nave.Tests;

namespace Nave.Hub.Tests.Heartbeats;

/// <summary>The heartbeat monitor of a whole hub, by its operator's REST.</summary>
public sealed class HeartbeatHubTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly TempDirectory _directory = new();
    private TestHub _hub = null!;
    private HttpClient _http = null!;

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => StartAsync();

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _directory.Dispose();
    }

    [Fact]
    [Conformance("heartbeat-monitoring", 6)]
    public async Task The_rule_that_wins_is_shown_and_follows_tags_and_rules_at_once()
    {
        var id = await CreateAsync("pump");
        Assert.Equal("default", await RuleOfAsync("pump"));

        await PutRuleAsync("north", new { every = 60, condition = "tags.site = 'north'" });
        await TagAsync(id, """{"site":"north"}""");
        await EventuallyAsync(async () => await RuleOfAsync("pump") == "group:north");

        // By properties as well: the first rule by priority that the device meets.
        await PutRuleAsync("battery", new { every = 90, condition = "properties.desired.power = 'battery' OR tags.site IN ['south']", priority = 1 });
        await DesireAsync(id, """{"power":"battery"}""");
        await EventuallyAsync(async () => await RuleOfAsync("pump") == "group:battery");
        await DesireAsync(id, """{"power":"mains"}""");
        await EventuallyAsync(async () => await RuleOfAsync("pump") == "group:north");

        await TagAsync(id, """{"monitor":{"every":5}}""");
        await EventuallyAsync(async () => await RuleOfAsync("pump") == "tag");

        await TagAsync(id, """{"monitor":null}""");
        Assert.Equal(HttpStatusCode.NoContent, (await _http.DeleteAsync("heartbeats/rules/north", Stopping)).StatusCode);
        await EventuallyAsync(async () => await RuleOfAsync("pump") == "default");
    }

    [Fact]
    [Conformance("heartbeat-monitoring", 7, 8)]
    public async Task History_is_kept_over_a_restart_which_raises_no_alarm()
    {
        await CreateAsync("living");
        await CreateAsync("dead");
        await PutRuleAsync("default", new { every = 1, grace = 0 });
        Beat("living");
        Beat("dead");
        await EventuallyAsync(() =>
        {
            Beat("living");
            return Task.FromResult(StateOf("dead") is HeartbeatState.Offline);
        });
        await EventuallyAsync(async () => (await HistoryAsync("dead")).Count == 3);
        var before = await HistoryAsync("dead");
        await PutRuleAsync("default", new { every = 3600 });
        await EventuallyAsync(() => Task.FromResult(StateOf("dead") is HeartbeatState.Online));
        await EventuallyAsync(async () => (await HistoryAsync("dead")).Count == 4);

        await StopAsync();
        await StartAsync();
        await _hub.Get<HeartbeatMonitor>().Loaded;

        Assert.Equal([4L, 3, 2, 1], (await HistoryAsync("dead")).Select(entry => (long)entry!["sequence"]!));
        Assert.Equal(["offline", "late", "online"], before.Select(entry => (string?)entry!["state"]));
        Assert.Equal(HeartbeatState.Online, StateOf("living"));
        Assert.Equal(4, _hub.Get<HeartbeatTable>().Find("dead")!.Sequence);
    }

    [Fact]
    [Conformance("heartbeat-monitoring", 23)]
    public async Task A_query_by_state_says_what_the_api_says()
    {
        foreach (var device in new[] { "a-never", "b-dead", "c-living", "d-dead", "e-disabled" })
        {
            await CreateAsync(device);
        }

        var off = new IdentityDraft(new IdentityId(DeviceId.Parse("e-disabled"))) { IsEnabled = false };
        Assert.True((await _hub.Get<DeviceRegistry>().UpdateAsync(off, ETagCondition.Any, Stopping)).TryGet(out _, out var failure), failure?.Message);
        await PutRuleAsync("default", new { every = 1, grace = 0, missedAllowed = 1 });
        await PutRuleAsync("calm", new { every = 3600, condition = "deviceId = 'c-living'" });
        Beat("b-dead");
        Beat("c-living");
        Beat("d-dead");
        await EventuallyAsync(() => Task.FromResult(StateOf("b-dead") is HeartbeatState.Offline && StateOf("d-dead") is HeartbeatState.Offline));

        foreach (var state in Enum.GetValues<HeartbeatState>().Select(HeartbeatWords.Of))
        {
            var listed = ((JsonArray)(await GetAsync($"heartbeats/devices?state={state}"))["devices"]!).Select(entry => (string)entry!["deviceId"]!);
            Assert.Equal(listed.Order(), await QueryAsync($"SELECT deviceId FROM devices WHERE monitor.state = '{state}'"));
        }

        Assert.Equal(["b-dead", "d-dead"], await QueryAsync("SELECT deviceId FROM devices WHERE monitor.state = 'offline' AND monitor.since > '2026'"));
        Assert.Equal(["a-never"], await QueryAsync("SELECT deviceId FROM devices WHERE NOT monitor.state IN ['offline', 'online', 'disabled', 'late']"));
    }

    [Theory]
    [InlineData("SELECT monitor.state FROM devices", "WHERE and GROUP BY")]
    [InlineData("SELECT * FROM devices WHERE monitor.lastSeen > '2026'", "heartbeat API")]
    [InlineData("SELECT * FROM devices.modules WHERE monitor.state = 'offline'", "modules have no heartbeat")]
    public async Task What_a_query_cannot_know_of_heartbeats_is_refused_with_the_way_out(string query, string words)
    {
        Assert.False((await _hub.Get<QueryRunner>().RunAsync(query, null, 10, Stopping)).TryGet(out _, out var failure));
        Assert.Contains(words, failure.Message);
    }

    [Fact]
    public async Task Heartbeats_of_those_who_come_and_go_come_and_go_with_them()
    {
        var id = await CreateAsync("pump");
        Assert.Equal(HeartbeatState.Unknown, StateOf("pump"));

        await _hub.Get<DeviceRegistry>().DeleteAsync(id, ETagCondition.Any, Stopping);

        Assert.Equal(HttpStatusCode.NotFound, (await _http.GetAsync("heartbeats/devices/pump", Stopping)).StatusCode);
        Assert.Equal(0, (int)(await GetAsync("heartbeats/summary"))["devices"]!);
    }

    [Fact]
    [Conformance("heartbeat-monitoring", 16)]
    public async Task A_webhook_that_was_away_gets_every_alert_in_order_with_a_signature_of_its_own()
    {
        await using var receiver = await Receiver.StartAsync();
        receiver.Answer = StatusCodes.Status503ServiceUnavailable;
        var put = await _http.PutAsJsonAsync("heartbeats/webhooks/pager", new { url = receiver.Url }, Stopping);
        var secret = Convert.FromBase64String((string)JsonNode.Parse(await put.Content.ReadAsStringAsync(Stopping))!["secret"]!);
        await CreateAsync("one");
        await CreateAsync("two");
        await PutRuleAsync("default", new { every = 1, grace = 0, missedAllowed = 1 });

        Beat("one");
        await EventuallyAsync(() => Task.FromResult(StateOf("one") is HeartbeatState.Offline));
        Beat("two");
        await EventuallyAsync(() => Task.FromResult(StateOf("two") is HeartbeatState.Offline));
        _ = await receiver.Calls.Reader.ReadAsync(Stopping); // It was tried.
        receiver.Answer = StatusCodes.Status200OK;

        var alerts = new List<JsonNode>();
        while (alerts.Count < 2)
        {
            var call = await receiver.Calls.Reader.ReadAsync(Stopping).AsTask().WaitAsync(Patience, Stopping);
            Assert.Equal(HeartbeatWebhooks.Sign(secret, call.Timestamp, call.Body), call.Signature);
            if (call.Answered == StatusCodes.Status200OK)
            {
                alerts.Add(JsonNode.Parse(call.Body)!);
            }
        }

        Assert.Equal(["one", "two"], alerts.Select(alert => (string?)alert["data"]!["deviceId"]));
        Assert.All(alerts, alert => Assert.Equal("alert", (string?)alert["kind"]));
        Assert.True((long)alerts[0]["id"]! < (long)alerts[1]["id"]!);
    }

    [Fact]
    [Conformance("heartbeat-monitoring", 17)]
    public async Task An_operator_silences_and_what_still_stands_at_the_end_is_told()
    {
        await CreateAsync("pump");
        await CreateAsync("valve");
        await PutRuleAsync("default", new { every = 1, grace = 0, missedAllowed = 1 });
        Assert.Equal(HttpStatusCode.OK, (await _http.PutAsJsonAsync("heartbeats/silences/works", new { @for = 3600, devices = new[] { "pump" }, note = "new pipes" }, Stopping)).StatusCode);
        Assert.True((bool)(await GetAsync("heartbeats/silences"))[0]!["isInForce"]!);
        using var listener = _hub.Get<HeartbeatFeed>().Listen()!;

        Beat("pump");
        await EventuallyAsync(() => Task.FromResult(StateOf("pump") is HeartbeatState.Offline));
        Beat("valve");
        Assert.Equal("valve", await NextAlertAsync(listener)); // Pump's would have come before it.
        Assert.Contains("offline", (await HistoryAsync("pump")).Select(entry => (string?)entry!["state"]));

        Assert.Equal(HttpStatusCode.NoContent, (await _http.DeleteAsync("heartbeats/silences/works", Stopping)).StatusCode);
        Assert.Equal("pump", await NextAlertAsync(listener));
        Assert.Equal(HttpStatusCode.NotFound, (await _http.DeleteAsync("heartbeats/silences/works", Stopping)).StatusCode);
    }

    [Theory]
    [InlineData("http://169.254.169.254/latest/meta-data")]
    [InlineData("http://[fe80::1]/")]
    [InlineData("http://[::ffff:169.254.169.254]/")]
    [InlineData("http://168.63.129.16/")]
    [InlineData("http://user:secret@example.com/")]
    [InlineData("file:///etc/passwd")]
    [InlineData("nowhere")]
    public async Task A_webhook_goes_to_no_metadata_service(string url) => Assert.Equal(
        HttpStatusCode.BadRequest, (await _http.PutAsJsonAsync("heartbeats/webhooks/pager", new { url }, Stopping)).StatusCode);

    [Fact]
    public async Task That_the_hub_could_not_hear_is_an_event_at_its_own_endpoint()
    {
        await StopAsync();
        var time = new ShiftedTime();
        await StartAsync(time, options => options.Events.Sources = [Nave.Hub.Events.ChangeSource.DeviceHeartbeatEvents]);
        await EventuallyAsync(() => Task.FromResult(_hub.Get<HeartbeatMonitor>().Scans > 2));

        time.Advance(TimeSpan.FromSeconds(30)); // As if the process had not run.

        using var reader = await _hub.Get<IEventLog>().OpenReaderAsync(new LogPartition(_hub.Get<TelemetryStreams>().Telemetry.Id, 0), ReadFrom.Beginning, Stopping);
        using var batch = await reader.ReadAsync(1, Stopping).AsTask().WaitAsync(Patience, Stopping);
        var record = System.Text.Encoding.UTF8.GetString(batch.Records[0].Bytes.Span);
        Assert.Contains("deviceHeartbeatEvents", record);
        Assert.Contains("\"hub\":\"gap\"", record);
        Assert.DoesNotContain("iothub-connection-device-id", record);
    }

    [Fact]
    public async Task A_fleet_that_comes_all_at_once_is_written_in_few_units_and_costs_no_more_than_two_rows_a_device()
    {
        const int Fleet = 5_000;
        var database = _hub.Get<HubDatabase>();
        var registry = _hub.Get<DeviceRegistry>();
        for (var first = 0; first < Fleet; first += 100)
        {
            var changes = Enumerable.Range(first, 100).Select(i => new BulkChange(new IdentityDraft(new IdentityId(DeviceId.Parse($"d-{i}"))), BulkMode.Create)).ToList();
            Assert.Empty((await registry.ApplyAsync(changes, Stopping)).Errors);
        }

        await EventuallyAsync(() => Task.FromResult(_hub.Get<HeartbeatTable>().Count == Fleet));
        var before = _hub.Get<HeartbeatStore>().Units;
        for (var i = 0; i < Fleet; i++)
        {
            Beat($"d-{i}"); // What the hot path does of it: a byte.
        }

        await EventuallyAsync(async () => await CountAsync("heartbeats") == Fleet);

        // The beats may fall into two scans, each with a last unit that is not full.
        Assert.InRange(_hub.Get<HeartbeatStore>().Units - before, Fleet / HeartbeatStore.RowsPerUnit, (Fleet / HeartbeatStore.RowsPerUnit) + 2);
        Assert.Equal(Fleet, await CountAsync("heartbeat_history"));

        Task<long> CountAsync(string table) => database.ReadAsync(session => session.Number($"SELECT count(*) FROM {table}") ?? 0, Stopping);
    }

    private ValueTask StartAsync() => StartAsync(null, null);

    private async ValueTask StartAsync(TimeProvider? time, Action<HubOptions>? configure)
    {
        _hub = await TestHub.StartAsync(configure, time, dataDirectory: _directory.PathOf("data"));
        _http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{_hub.Connection.Ports.Operator}/$nave/v1/") };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", OperatorFile.Find(_hub.Host.DataDirectory)!.Token);
    }

    private async ValueTask StopAsync()
    {
        _http.Dispose();
        await _hub.DisposeAsync();
    }

    private async Task<IdentityId> CreateAsync(string device)
    {
        var draft = new IdentityDraft(new IdentityId(DeviceId.Parse(device)))
        {
            Authentication = new AuthenticationDraft { Type = "sas", PrimaryKey = RegistryHarness.KeyA, SecondaryKey = RegistryHarness.KeyB },
        };
        Assert.True((await _hub.Get<DeviceRegistry>().CreateAsync(draft, Stopping)).TryGet(out var created, out var failure), failure?.Message);
        return created.Id;
    }

    // What a session of it does.
    private void Beat(string device) => _hub.Get<HeartbeatTable>().MarkOf(device).Heard(HeardBits.Telemetry);

    private HeartbeatState StateOf(string device) => _hub.Get<HeartbeatTable>().Find(device)!.State;

    private async Task TagAsync(IdentityId id, string tags)
    {
        var update = new TwinUpdate(new SectionChange(System.Text.Encoding.UTF8.GetBytes(tags), Replaces: false));
        Assert.True((await _hub.Get<TwinStore>().ChangeAsync(id, update, ETagCondition.Any)).TryGet(out _, out var failure), failure?.Message);
    }

    private static async Task<string?> NextAlertAsync(HeartbeatListener listener)
    {
        while (true)
        {
            var notice = await listener.Notices.ReadAsync(Stopping).AsTask().WaitAsync(Patience, Stopping);
            if (notice.Kind == "alert")
            {
                return (string?)JsonNode.Parse(notice.Body)!["deviceId"];
            }
        }
    }

    private async Task DesireAsync(IdentityId id, string desired)
    {
        var update = new TwinUpdate(Tags: null, new SectionChange(System.Text.Encoding.UTF8.GetBytes(desired), Replaces: false));
        Assert.True((await _hub.Get<TwinStore>().ChangeAsync(id, update, ETagCondition.Any)).TryGet(out _, out var failure), failure?.Message);
    }

    private async Task<string[]> QueryAsync(string query)
    {
        Assert.True((await _hub.Get<QueryRunner>().RunAsync(query, null, 100, Stopping)).TryGet(out var page, out var failure), failure?.Message);
        return [.. page.Rows.Select(row => (string)JsonNode.Parse(row)!["deviceId"]!)];
    }

    private async Task PutRuleAsync(string name, object rule)
    {
        var answer = await _http.PutAsJsonAsync($"heartbeats/rules/{name}", rule, Stopping);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Stopping));
    }

    private async Task<string?> RuleOfAsync(string device) => (string?)(await GetAsync($"heartbeats/devices/{device}"))["rule"];

    private async Task<JsonArray> HistoryAsync(string device) => (JsonArray)await GetAsync($"heartbeats/devices/{device}/history");

    private async Task<JsonNode> GetAsync(string path) => JsonNode.Parse(await _http.GetStringAsync(path, Stopping))!;

    private static async Task EventuallyAsync(Func<Task<bool>> condition)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Stopping);
        deadline.CancelAfter(Patience);
        using var poll = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!await condition())
        {
            await poll.WaitForNextTickAsync(deadline.Token);
        }
    }

    private sealed record Call(string Timestamp, string Signature, byte[] Body, int Answered);

    /// <summary>Where a webhook leads to.</summary>
    private sealed class Receiver(WebApplication app) : IAsyncDisposable
    {
        public Channel<Call> Calls { get; } = Channel.CreateUnbounded<Call>();

        public int Answer { get; set; } = StatusCodes.Status200OK;

        public string Url => app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();

        public static async Task<Receiver> StartAsync()
        {
            var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
            builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
            var receiver = new Receiver(builder.Build());
            receiver.Run();
            await receiver.StartOwnAsync();
            return receiver;
        }

        public ValueTask DisposeAsync() => app.DisposeAsync();

        private Task StartOwnAsync() => app.StartAsync(Stopping);

        private void Run() => app.Run(async context =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            var answer = context.Response.StatusCode = Answer;
            Calls.Writer.TryWrite(new Call(
                context.Request.Headers[HeartbeatWebhooks.TimestampHeader]!, context.Request.Headers[HeartbeatWebhooks.SignatureHeader]!, body.ToArray(), answer));
        });
    }
}
