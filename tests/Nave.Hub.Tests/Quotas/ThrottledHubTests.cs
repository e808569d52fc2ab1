using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Amqp;
using Amqp.Framing;
using Amqp.Types;
using Nave.Hub.Heads.Amqp;
using Nave.Hub.Hosting;
using Nave.Hub.Quotas;
using Nave.Hub.Telemetry;
using Nave.Hub.Tests.Harness;
using Nave.Hub.Tests.Heads.Amqp;
using Nave.Hub.Tests.Heads.Http;
using Nave.Protocol.Identities;
using Nave.Tests;

namespace Nave.Hub.Tests.Quotas;

/// <summary>Limits of a whole hub over AMQP and HTTPS, what operators see of them, and that a restart keeps the day.</summary>
public sealed class ThrottledHubTests
{
    private const string Throttled = "com.microsoft:device-container-throttled";

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Over_Amqp_a_message_over_the_rate_is_rejected_and_the_link_stays()
    {
        await using var hub = await StartAsync("Quota:TelemetrySends=1/min", "Quota:MaxDelay=0s");
        await using var client = await AmqpDeviceClient.ConnectDeviceAsync(hub, await hub.CreateAsync("dev"));
        var sender = await client.SenderAsync("/devices/dev/messages/events");
        Assert.Null(await sender.SendAsync("a"));

        var error = (await sender.SendAsync("b"))!;

        Assert.Equal((Throttled, "Too many requests. The limit of device-to-cloud sends is 1/min."), (error.Condition.ToString(), error.Description));
        Assert.False(sender.IsClosed);
        Assert.Equal(1, hub.Get<TelemetryPipeline>().Messages);
        await ExplainedAsync(hub, "dev", "ThrottlingException", "over the limit of device-to-cloud sends: 1/min (no tier, Quota:TelemetrySends)");
    }

    [Fact]
    public async Task Over_Amqp_a_batch_is_one_send_and_all_or_nothing()
    {
        await using var hub = await StartAsync("Quota:TelemetrySends=1/min", "Quota:MaxDelay=0s", "Quota:DailyMessages=1000");
        await using var client = await AmqpDeviceClient.ConnectDeviceAsync(hub, await hub.CreateAsync("dev"));
        var sender = await client.SenderAsync("/devices/dev/messages/events");

        Assert.Null(await sender.SendAsync(Batch("a", "b", "c")));
        Assert.Equal(Throttled, (await sender.SendAsync(Batch("d", "e")))!.Condition.ToString());

        Assert.Equal(3, hub.Get<TelemetryPipeline>().Messages);
        Assert.Equal(3, Used(hub, Metered.TelemetrySends));
    }

    [Fact]
    public async Task Over_Amqp_a_message_waits_for_its_turn_and_is_then_accepted()
    {
        await using var hub = await StartAsync("Quota:TelemetrySends=2/s");
        await using var client = await AmqpDeviceClient.ConnectDeviceAsync(hub, await hub.CreateAsync("dev"));
        var sender = await client.SenderAsync("/devices/dev/messages/events");
        var begun = TimeProvider.System.GetTimestamp();

        var sent = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => sender.SendAsync($"{i}")));

        // Two at once, two at half a second each.
        Assert.All(sent, Assert.Null);
        Assert.True(TimeProvider.System.GetElapsedTime(begun).TotalSeconds > 0.9);
        await using var reader = await AmqpDeviceClient.ConnectPolicyAsync(hub, "service");
        Assert.Equal(["0", "1", "2", "3"], await (await reader.EventsAsync()).BodiesAsync(4));
    }

    [Fact]
    public async Task Over_Amqp_who_waits_for_its_own_limit_holds_up_no_other_device_of_the_connection()
    {
        await using var hub = await StartAsync("Access:MaxMessagesPerDevice=10");
        await hub.CreateAsync("wild");
        await hub.CreateAsync("calm");
        await using var gateway = await AmqpDeviceClient.ConnectPolicyAsync(hub, "device");
        var wild = await gateway.SenderAsync("/devices/wild/messages/events");
        var calm = await gateway.SenderAsync("/devices/calm/messages/events");

        var sent = Enumerable.Range(0, 150).Select(i => wild.SendAsync($"{i}")).ToList();
        Assert.Null(await calm.SendAsync("calm"));

        Assert.False(sent[^1].IsCompleted);
        Assert.All(await Task.WhenAll(sent.Take(30)), Assert.Null);
        await using var reader = await AmqpDeviceClient.ConnectPolicyAsync(hub, "service");
        var bodies = await (await reader.EventsAsync()).BodiesAsync(31);
        Assert.Equal(Enumerable.Range(0, 30).Select(i => $"{i}"), bodies.Where(body => body != "calm").Take(30));
    }

    [Fact]
    public async Task Over_Amqp_a_command_waits_no_longer_than_one_delay_behind_others()
    {
        await using var hub = await StartAsync("Quota:CommandSends=1/s", "Quota:MaxDelay=2s");
        await hub.CreateAsync("dev");
        await using var service = await AmqpDeviceClient.ConnectPolicyAsync(hub, "service");
        var commands = await service.SenderAsync("/messages/devicebound");

        var sent = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => commands.SendAsync(Command("dev"))));

        Assert.Null(sent[0]);
        Assert.Null(sent[1]);
        Assert.All(sent.Skip(3), Assert.NotNull);
    }

    [Fact]
    [Conformance("messaging-semantics", 16)]
    public async Task Over_Amqp_a_used_up_day_rejects_messages_and_commands()
    {
        await using var hub = await StartAsync("Quota:DailyMessages=2");
        await using var device = await AmqpDeviceClient.ConnectDeviceAsync(hub, await hub.CreateAsync("dev"));
        await using var service = await AmqpDeviceClient.ConnectPolicyAsync(hub, "service");
        var sender = await device.SenderAsync("/devices/dev/messages/events");
        var commands = await service.SenderAsync("/messages/devicebound");
        Assert.Null(await sender.SendAsync(""));
        Assert.Null(await commands.SendAsync(Command("dev")));

        Assert.Equal("amqp:resource-limit-exceeded", (await sender.SendAsync(""))!.Condition.ToString());
        Assert.Equal("com.microsoft:quota-exceeded", (await commands.SendAsync(Command("dev")))!.Condition.ToString());
        Assert.False(sender.IsClosed);
        await ExplainedAsync(hub, "dev", "IotHubQuotaExceeded", "the 2 messages of the day are used up (no tier, Quota:DailyMessages); they come back at 00:00 UTC");
    }

    [Fact]
    public async Task Over_Amqp_a_device_that_connects_over_the_rate_is_refused_its_link()
    {
        await using var hub = await StartAsync("Quota:Connects=1/min");
        await using var first = await AmqpDeviceClient.ConnectDeviceAsync(hub, await hub.CreateAsync("one"));
        await first.SenderAsync("/devices/one/messages/events");

        await using var second = await AmqpDeviceClient.ConnectDeviceAsync(hub, await hub.CreateAsync("two"));
        var refused = await second.SenderAsync("/devices/two/messages/events");

        Assert.Equal(Throttled, await refused.ClosedAsync());
    }

    [Fact]
    [Conformance("device-http", 16)]
    public async Task Over_Https_what_is_over_the_rate_gets_429_with_the_time_to_come_again()
    {
        await using var hub = await StartAsync("Quota:TelemetrySends=6/min", "Quota:CommandReceives=1/min", "Quota:MaxDelay=0s");
        using var device = new HttpDevice(hub, await hub.CreateAsync("dev"));
        for (var i = 0; i < 6; i++)
        {
            Assert.Equal(HttpStatusCode.NoContent, (await SendAsync(device)).StatusCode);
        }

        await RefusedAsync(await SendAsync(device), 429, "ThrottlingException", 10);

        Assert.Equal(HttpStatusCode.NoContent, (await device.SendAsync(HttpMethod.Get, "deviceBound")).StatusCode);
        await RefusedAsync(await device.SendAsync(HttpMethod.Get, "deviceBound"), 429, "ThrottlingException", 60);
    }

    [Fact]
    [Conformance("device-http", 16)]
    public async Task Over_Https_a_device_over_its_own_limit_gets_429_without_any_tier()
    {
        await using var hub = await StartAsync("Access:MaxMessagesPerDevice=3");
        using var device = new HttpDevice(hub, await hub.CreateAsync("dev"));
        using var other = new HttpDevice(hub, await hub.CreateAsync("other"));

        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => SendAsync(device)));

        var refused = answers.First(answer => answer.StatusCode is HttpStatusCode.TooManyRequests);
        await RefusedAsync(refused, 429, "DeviceThrottlingLimitExceeded", 10);
        Assert.Equal(HttpStatusCode.NoContent, (await SendAsync(other)).StatusCode);
        await ExplainedAsync(hub, "dev", "DeviceThrottlingLimitExceeded", "more than 3 messages a second of 'dev' (Access:MaxMessagesPerDevice)");
    }

    [Fact]
    [Conformance("messaging-semantics", 16, 17)]
    public async Task The_day_survives_a_restart_and_ends_at_midnight_and_the_registry_goes_on()
    {
        using var directory = new TempDirectory();
        var time = new ShiftedTime();
        string token;
        await using (var hub = await StartAsync(directory, time, "Quota:DailyMessages=4"))
        {
            var identity = await hub.CreateAsync("dev");
            token = hub.DeviceToken(identity, TimeSpan.FromDays(3));
            using var device = new HttpDevice(hub, token) { Id = identity.Id };
            Assert.Equal(HttpStatusCode.NoContent, (await SendAsync(device, new string('x', 6 * 1024))).StatusCode);
            Assert.Equal(HttpStatusCode.NoContent, (await SendAsync(device, "")).StatusCode);
            Assert.Equal(3, Used(hub, Metered.TelemetrySends));
        }

        await using var again = await StartAsync(directory, time, "Quota:DailyMessages=4");
        Assert.Equal(3, Used(again, Metered.TelemetrySends));
        using var back = new HttpDevice(again, token) { Id = new(DeviceId.Parse("dev")) };
        Assert.Equal(HttpStatusCode.NoContent, (await SendAsync(back)).StatusCode);

        var refused = await SendAsync(back);
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        Assert.Contains("ErrorCode:IotHubQuotaExceeded;", await refused.Content.ReadAsStringAsync(Stopping), StringComparison.Ordinal);
        using var owner = new HttpDevice(again, again.PolicyToken("iothubowner"));
        Assert.Equal(HttpStatusCode.OK, (await owner.SendToAsync(HttpMethod.Get, "devices/dev")).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await owner.SendToAsync(HttpMethod.Get, "twins/dev")).StatusCode);

        time.Advance(again.Get<HubMeter>().Daily!.ResetsAt - time.GetUtcNow() + TimeSpan.FromSeconds(1));
        Assert.Equal(HttpStatusCode.NoContent, (await SendAsync(back)).StatusCode);
    }

    [Fact]
    public async Task What_back_ends_do_costs_what_it_brings()
    {
        await using var hub = await StartAsync("Quota:DailyMessages=1000", "Quota:BlockBytes=100");
        await hub.CreateAsync("dev");
        using var owner = new HttpDevice(hub, hub.PolicyToken("iothubowner"));

        var patch = """{"properties":{"desired":{"text":"TEXT"}}}""".Replace("TEXT", new string('x', 300), StringComparison.Ordinal);
        (await owner.SendToAsync(HttpMethod.Patch, "twins/dev", Json(patch))).EnsureSuccessStatusCode();
        Assert.Equal((patch.Length + 99) / 100, Used(hub, Metered.TwinUpdates));

        var twin = await (await owner.SendToAsync(HttpMethod.Get, "twins/dev")).Content.ReadAsByteArrayAsync(Stopping);
        Assert.Equal((twin.Length + 99) / 100, Used(hub, Metered.TwinReads));

        (await owner.SendToAsync(HttpMethod.Post, "devices/query", Json("""{"query":"SELECT deviceId FROM devices"}"""))).EnsureSuccessStatusCode();
        Assert.Equal(1, Used(hub, Metered.Queries));

        // A method that nobody takes has cost its request.
        await owner.SendToAsync(HttpMethod.Post, "twins/dev/methods", Json("""{"methodName":"m","payload":null}"""));
        Assert.Equal(1, Used(hub, Metered.Methods));

        // Registry calls, and what is refused, cost nothing.
        (await owner.SendToAsync(HttpMethod.Get, "devices/dev")).EnsureSuccessStatusCode();
        Assert.Equal(HttpStatusCode.NotFound, (await owner.SendToAsync(HttpMethod.Get, "twins/nobody")).StatusCode);
        Assert.Equal(hub.Get<HubMeter>().Daily!.Read().Sum(), new[] { Metered.TwinUpdates, Metered.TwinReads, Metered.Queries, Metered.Methods }.Sum(operation => Used(hub, operation)));
    }

    [Fact]
    public async Task Twins_changed_in_bulk_are_limited_and_paid_for_like_others()
    {
        await using var hub = await StartAsync("Quota:TwinUpdates=2/min", "Quota:MaxDelay=0s", "Quota:DailyMessages=1000", "Quota:BlockBytes=100");
        await hub.CreateAsync("a");
        await hub.CreateAsync("b");
        await hub.CreateAsync("c");
        using var owner = new HttpDevice(hub, hub.PolicyToken("iothubowner"));
        var items = new[] { "a", "b", "c" }.Select(id => $$"""{"id":"{{id}}","importMode":"updateTwin","tags":{"t":"{{new string('x', 150)}}"} }""");

        var answer = await owner.SendToAsync(HttpMethod.Post, "devices", Json($"[{string.Join(',', items)}]"));

        var errors = JsonNode.Parse(await answer.Content.ReadAsStringAsync(Stopping))!["errors"]!.AsArray();
        Assert.Equal(("c", 429_001), ((string)Assert.Single(errors)!["deviceId"]!, (int)errors[0]!["errorCode"]!));
        Assert.Equal(2 * 2, Used(hub, Metered.TwinUpdates));
    }

    [Fact]
    public async Task The_rate_of_methods_is_counted_in_blocks_of_4_KB_whatever_the_days_blocks_are()
    {
        await using var hub = await StartAsync("Quota:Methods=2/min", "Quota:MaxDelay=0s", "Quota:DailyMessages=1000", "Quota:BlockBytes=512");
        await hub.CreateAsync("dev");
        using var owner = new HttpDevice(hub, hub.PolicyToken("iothubowner"));

        await InvokeAsync();
        await InvokeAsync();

        // Nobody takes them, each has had its turn, and the day is charged by its own blocks.
        var limit = hub.Get<HubMeter>().LimitOf(Metered.Methods)!.Read();
        Assert.Equal((2L, 0L), (limit.Passed, limit.Refused));
        Assert.Equal(2 * 6, Used(hub, Metered.Methods));

        Task InvokeAsync() => owner.SendToAsync(
            HttpMethod.Post, "twins/dev/methods", Json($$"""{"methodName":"m","payload":"{{new string('x', 3_000)}}"}"""));
    }

    [Fact]
    public async Task Each_rate_refuses_its_own_routes_and_no_others()
    {
        (Metered Operation, HttpMethod Verb, string Path, string? Body)[] routes =
        [
            (Metered.RegistryOperations, HttpMethod.Get, "devices/dev", null),
            (Metered.TwinReads, HttpMethod.Get, "twins/dev", null),
            (Metered.TwinUpdates, HttpMethod.Patch, "twins/dev", """{"tags":{"a":1}}"""),
            (Metered.Queries, HttpMethod.Post, "devices/query", """{"query":"SELECT * FROM devices"}"""),
            (Metered.JobOperations, HttpMethod.Get, "jobs/v2/query", null),
            (Metered.ConfigurationOperations, HttpMethod.Get, "configurations", null),
        ];
        await using var hub = await StartAsync([.. routes.Select(route => $"{route.Operation.Option()}=1/min"), "Quota:MaxDelay=0s"]);
        await hub.CreateAsync("dev");
        using var owner = new HttpDevice(hub, hub.PolicyToken("iothubowner"));

        foreach (var (_, verb, path, body) in routes)
        {
            (await owner.SendToAsync(verb, path, body is null ? null : Json(body))).EnsureSuccessStatusCode();
        }

        foreach (var (operation, verb, path, body) in routes)
        {
            var answer = await owner.SendToAsync(verb, path, body is null ? null : Json(body));
            await RefusedAsync(answer, 429, "ThrottlingException", 60);
            Assert.Contains(operation.Words(), await answer.Content.ReadAsStringAsync(Stopping), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Direct_methods_are_limited_by_blocks_of_their_payload()
    {
        await using var hub = await StartAsync("Quota:Methods=4/min", "Quota:MaxDelay=0s");
        await hub.CreateAsync("dev");
        using var owner = new HttpDevice(hub, hub.PolicyToken("iothubowner"));

        Task<HttpResponseMessage> CallAsync(int bytes) => owner.SendToAsync(
            HttpMethod.Post, "twins/dev/methods", Json($$"""{"methodName":"m","payload":"{{new string('x', bytes)}}"}"""));

        // Nobody takes it: three blocks of four all the same.
        Assert.Equal(HttpStatusCode.NotFound, (await CallAsync(9_000)).StatusCode);
        await RefusedAsync(await CallAsync(6_000), 429, "ThrottlingException", 60);
        Assert.Equal(HttpStatusCode.NotFound, (await CallAsync(10)).StatusCode);
    }

    [Fact]
    public async Task A_jobs_devices_wait_for_their_turns_and_cost_what_is_written()
    {
        await using var hub = await StartAsync("Quota:JobDeviceOperations=2/s", "Quota:DailyMessages=1000");
        foreach (var name in new[] { "a", "b", "c", "d" })
        {
            await hub.CreateAsync(name);
        }

        using var owner = new HttpDevice(hub, hub.PolicyToken("iothubowner"));
        var job = """{"type":"scheduleUpdateTwin","queryCondition":"*","updateTwin":{"tags":{"a":1},"etag":"*"}}""";
        (await owner.SendToAsync(HttpMethod.Put, "jobs/v2/j1", Json(job))).EnsureSuccessStatusCode();

        await Eventually.IsAsync(async () => JsonNode.Parse(
            await (await owner.SendToAsync(HttpMethod.Get, "jobs/v2/j1")).Content.ReadAsStringAsync(Stopping))!["status"]!.ToString() == "completed");

        var limit = hub.Get<HubMeter>().LimitOf(Metered.JobDeviceOperations)!.Read();
        Assert.Equal((2L, 2L, 0L), (limit.Passed, limit.Delayed, limit.Refused));
        Assert.Equal(4, Used(hub, Metered.JobDeviceOperations));
    }

    [Fact]
    public async Task A_used_up_day_fails_a_jobs_devices_and_still_brings_configurations()
    {
        await using var hub = await StartAsync("Quota:DailyMessages=1");
        await hub.CreateAsync("dev");
        hub.Get<HubMeter>().Charge(Metered.TelemetrySends, 0);
        using var owner = new HttpDevice(hub, hub.PolicyToken("iothubowner"));

        var job = """{"type":"scheduleUpdateTwin","queryCondition":"*","updateTwin":{"tags":{"a":1},"etag":"*"}}""";
        (await owner.SendToAsync(HttpMethod.Put, "jobs/v2/j1", Json(job))).EnsureSuccessStatusCode();
        var configuration = """{"id":"c1","content":{"deviceContent":{"properties.desired.mode":"eco"}},"targetCondition":"*","priority":1}""";
        (await owner.SendToAsync(HttpMethod.Put, "configurations/c1", Json(configuration))).EnsureSuccessStatusCode();

        JsonNode shown = new JsonObject();
        await Eventually.IsAsync(async () => (shown = JsonNode.Parse(
            await (await owner.SendToAsync(HttpMethod.Get, "jobs/v2/j1")).Content.ReadAsStringAsync(Stopping))!)["status"]!.ToString() == "completed");
        Assert.Equal((1, 0), ((int)shown["deviceJobStatistics"]!["failedCount"]!, (int)shown["deviceJobStatistics"]!["succeededCount"]!));
        await Eventually.IsAsync(() => Used(hub, Metered.ConfigurationOperations) > 0);
    }

    [Fact]
    public async Task Over_Amqp_a_twin_request_over_the_rate_is_answered_429()
    {
        await using var hub = await StartAsync("Quota:TwinReads=1/min", "Quota:MaxDelay=0s");
        await using var client = await AmqpDeviceClient.ConnectDeviceAsync(hub, await hub.CreateAsync("dev"));
        var answers = await client.ReceiverAsync("/devices/dev/twin");
        var requests = await client.SenderAsync("/devices/dev/twin");
        answers.Grant(10);

        Assert.Null(await requests.SendAsync(TwinGet("1")));
        Assert.Equal(200, (await answers.NextAsync()).MessageAnnotations[new Symbol("status")]);
        Assert.Null(await requests.SendAsync(TwinGet("2")));
        var refused = await answers.NextAsync();

        Assert.Equal(429, refused.MessageAnnotations[new Symbol("status")]);
        Assert.Equal(429_001, (int)JsonNode.Parse(refused.GetBody<byte[]>())!["errorCode"]!);
    }

    [Fact]
    public async Task A_stranger_uses_nothing_up()
    {
        await using var hub = await StartAsync("Quota:RegistryOperations=1/min", "Quota:Connects=1/min", "Quota:MaxDelay=0s");
        await hub.CreateAsync("dev");
        using var stranger = new HttpDevice(hub, token: null);
        using var owner = new HttpDevice(hub, hub.PolicyToken("iothubowner"));
        using var reader = new HttpDevice(hub, hub.PolicyToken("device"));

        for (var i = 0; i < 5; i++)
        {
            Assert.Equal(HttpStatusCode.Unauthorized, (await stranger.SendToAsync(HttpMethod.Get, "devices/dev")).StatusCode);
            Assert.Equal(HttpStatusCode.Unauthorized, (await reader.SendToAsync(HttpMethod.Get, "devices/dev")).StatusCode);
        }

        Assert.Equal(HttpStatusCode.OK, (await owner.SendToAsync(HttpMethod.Get, "devices/dev")).StatusCode);
    }

    [Fact]
    public async Task The_operator_sees_limits_and_what_they_did_and_is_not_limited()
    {
        await using var hub = await StartAsync("Quota:Tier=S1", "Quota:Units=2", "Quota:Queries=1/min", "Quota:MaxDelay=0s", "Quota:DailyMessages=3");
        await hub.CreateAsync("dev");
        using var owner = new HttpDevice(hub, hub.PolicyToken("iothubowner"));
        for (var i = 0; i < 3; i++)
        {
            await owner.SendToAsync(HttpMethod.Post, "devices/query", Json("""{"query":"SELECT * FROM devices"}"""));
        }

        JsonNode quota = new JsonObject();
        for (var i = 0; i < 50; i++)
        {
            quota = await OperatorAsync(hub, "quota");
        }

        Assert.Equal(("S1", 2), ((string?)quota["tier"], (int)quota["units"]!));
        Assert.Equal((3L, 1L, 2L, "ok"), ((long)quota["day"]!["limit"]!, (long)quota["day"]!["used"]!, (long)quota["day"]!["left"]!, (string?)quota["day"]!["state"]));
        Assert.EndsWith("T00:00:00Z", ((string?)quota["day"]!["resetsAt"])!.Replace(".0000000", "", StringComparison.Ordinal), StringComparison.Ordinal);
        var queries = quota["limits"]!.AsArray().Single(limit => (string?)limit!["operation"] == "queries")!;
        Assert.Equal(("1/min", 1L, 2L, "near", "Quota:Queries"), ((string?)queries["limit"], (long)queries["passed"]!, (long)queries["refused"]!, (string?)queries["state"], (string?)queries["option"]));
        Assert.Equal("200/min", (string?)quota["limits"]!.AsArray().Single(limit => (string?)limit!["operation"] == "registryOperations")!["limit"]);
        Assert.Equal("600/min", (string?)quota["devices"]![0]!["limit"]);

        hub.Get<HubMeter>().Charge(Metered.Queries, 3 * 4096);
        Assert.Equal("exhausted", (string?)(await OperatorAsync(hub, "quota"))["day"]!["state"]);
        var metrics = await MetricsAsync(hub);
        Assert.Contains("nave_throttled_total{limit=\"queries\",result=\"refused\"} 2", metrics, StringComparison.Ordinal);
        Assert.Contains("nave_quota_messages_used{operation=\"queries\"} 4", metrics, StringComparison.Ordinal);
        Assert.Contains("nave_quota_messages_limit 3", metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_tier_the_operator_sees_that_all_is_off()
    {
        await using var hub = await StartAsync();

        var quota = await OperatorAsync(hub, "quota");

        Assert.False((bool)quota["isOn"]!);
        Assert.Null(quota["day"]);
        Assert.All(quota["limits"]!.AsArray(), limit => Assert.Equal("off", (string?)limit!["state"]));
    }

    private static Task<TestHub> StartAsync(params string[] settings) => DeviceHub.StartAsync(options => Set(options, settings));

    private static Task<TestHub> StartAsync(TempDirectory directory, TimeProvider time, params string[] settings) =>
        TestHub.StartAsync(options => Set(options, settings), time, directory.PathOf("data"));

    private static void Set(HubOptions options, string[] settings)
    {
        foreach (var parts in settings.Select(setting => setting.Split('=', 2)))
        {
            OptionTable.Find(parts[0])!.Set(options, parts[1]);
        }
    }

    private static StringContent Json(string body) => new(body, Encoding.UTF8, "application/json");

    private static Task<HttpResponseMessage> SendAsync(HttpDevice device, string body = "x") =>
        device.SendAsync(HttpMethod.Post, "events", new StringContent(body));

    private static long Used(TestHub hub, Metered operation) => hub.Get<HubMeter>().Daily!.Read()[(int)operation];

    private static async Task RefusedAsync(HttpResponseMessage answer, int status, string code, int secondsAtMost)
    {
        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Equal(code, Assert.Single(answer.Headers.GetValues("iothub-errorcode")));
        Assert.InRange(int.Parse(Assert.Single(answer.Headers.GetValues("Retry-After"))), 1, secondsAtMost);
        Assert.StartsWith($"{{\"Message\":\"ErrorCode:{code};", await answer.Content.ReadAsStringAsync(Stopping), StringComparison.Ordinal);
    }

    private static async Task ExplainedAsync(TestHub hub, string device, string code, string explanation)
    {
        var decisions = (await OperatorAsync(hub, "why?device=" + device)).AsArray();
        var refusal = Assert.Single(decisions, decision => (string?)decision!["code"] == code)!;
        Assert.Equal(explanation, (string?)refusal["explanation"]);
        Assert.NotNull((string?)refusal["hint"]);
    }

    private static async Task<JsonNode> OperatorAsync(TestHub hub, string path) => JsonNode.Parse(await OperatorTextAsync(hub, "$nave/v1/" + path))!;

    private static Task<string> MetricsAsync(TestHub hub) => OperatorTextAsync(hub, "metrics");

    private static async Task<string> OperatorTextAsync(TestHub hub, string path)
    {
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{hub.Connection.Ports.Operator}/") };
        http.DefaultRequestHeaders.Authorization = new("Bearer", OperatorFile.Find(hub.Host.DataDirectory)!.Token);
        return await http.GetStringAsync(path, Stopping);
    }

    private static Message Command(string device) => new() { Properties = new Properties { To = $"/devices/{device}/messages/devicebound" }, BodySection = new Data { Binary = "c"u8.ToArray() } };

    private static Message TwinGet(string id)
    {
        var message = new Message
        {
            Properties = new Properties(),
            MessageAnnotations = new MessageAnnotations { [new Symbol("operation")] = "GET" },
            BodySection = new Data { Binary = [] },
        };
        message.Properties.SetCorrelationId(id);
        return message;
    }

    private static Message Batch(params string[] bodies)
    {
        var sections = new DataList();
        foreach (var body in bodies)
        {
            var inner = new Message { BodySection = new Data { Binary = Encoding.UTF8.GetBytes(body) } }.Encode();
            sections.Add(new Data { Binary = inner.Buffer.AsSpan(inner.Offset, inner.Length).ToArray() });
        }

        return new Message { Format = TelemetryReader.BatchFormat, BodySection = sections };
    }
}
