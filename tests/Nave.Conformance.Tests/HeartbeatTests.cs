using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using Nave.Conformance.Tests.Harness;
using Nave.Hub.Hosting;
using Nave.Tests;

namespace Nave.Conformance.Tests;

/// <summary>The heartbeat monitor from outside: a fleet of which some fall silent.</summary>
public sealed class HeartbeatTests
{
    private const int Devices = 1_000;
    private const int Silenced = 50;

    // Long enough that a busy machine beats in time for all the others, of whom none may be called late.
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(20);

    [Fact]
    [Conformance("heartbeat-monitoring", 2, 3)]
    [Conformance("messaging-semantics", 30)]
    public async Task Of_a_thousand_devices_exactly_those_that_fall_silent_are_told_within_a_second_and_again_when_they_speak()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);
        var names = Enumerable.Range(0, Devices).Select(i => $"pump-{i}").ToList();
        await CreateAsync(hub, names, stopping);
        (await NaveTool.RunAsync(
            hub, stopping, "heartbeat", "set", "default", "--every", $"{Every.TotalSeconds}s", "--missed", "1", "--grace", "0s", "--counts", "heartbeats")).Done();

        using var @operator = OperatorClient(hub);
        var transitions = new ConcurrentQueue<JsonNode>();
        using var listening = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var listener = ListenAsync(@operator, transitions, listening.Token);

        // Everybody beats; then all but fifty go on.
        using var devices = hub.CreateHttpClient("device");
        var silenced = names.Take(Silenced).ToHashSet();
        var lastBeat = await BeatAsync(devices, names, stopping);
        using var beating = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var others = KeepBeatingAsync(devices, [.. names.Skip(Silenced)], beating.Token);
        await UntilAsync(() => transitions.Count(IsOffline) >= Silenced, Every + TimeSpan.FromSeconds(30), stopping);

        // Exactly those, each within its second, by the hub's word and by ours.
        var offline = transitions.Where(IsOffline).ToList();
        Assert.Equal(silenced.Order(), offline.Select(Name).Order());
        Assert.All(offline, transition =>
        {
            var since = Time(transition, "since");
            Assert.InRange(since - Time(transition, "lastSeen"), Every, Every + TimeSpan.FromSeconds(1));
            var (sent, acknowledged) = lastBeat[Name(transition)];
            Assert.InRange(since, sent + Every, acknowledged + Every + TimeSpan.FromSeconds(1));
        });
        var listed = JsonNode.Parse((await NaveTool.RunAsync(hub, stopping, "heartbeat", "list", "--state", "offline", "--json")).Done())!["devices"]!.AsArray();
        Assert.Equal(silenced.Order(), listed.Select(device => Name(device!)).Order());

        // And again online when they speak.
        await BeatAsync(devices, [.. silenced], stopping);
        await UntilAsync(() => transitions.Count(transition => IsBack(transition)) >= Silenced, TimeSpan.FromSeconds(10), stopping);
        Assert.Equal(silenced.Order(), transitions.Where(IsBack).Select(Name).Order());

        await beating.CancelAsync();
        await others;
        await listening.CancelAsync();
        await listener;
    }

    private static bool IsOffline(JsonNode transition) => (string?)transition["state"] == "offline";

    private static bool IsBack(JsonNode transition) => (string?)transition["state"] == "online" && (string?)transition["previous"] == "offline";

    private static string Name(JsonNode transition) => (string)transition["deviceId"]!;

    private static DateTimeOffset Time(JsonNode transition, string name) => DateTimeOffset.Parse((string)transition[name]!);

    private static async Task CreateAsync(OutsideHub hub, List<string> names, CancellationToken stopping)
    {
        using var owner = hub.CreateHttpClient("iothubowner");
        foreach (var unit in names.Chunk(100))
        {
            var body = JsonSerializer.Serialize(unit.Select(name => new { id = name, importMode = "create", status = "enabled" }));
            using var content = new StringContent(body, new MediaTypeHeaderValue("application/json"));
            var answer = await owner.PostAsync("devices?api-version=2021-04-12", content, stopping);
            Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(stopping));
        }
    }

    // An empty message with the heartbeat property, by each of them.
    private static async Task<ConcurrentDictionary<string, (DateTimeOffset Sent, DateTimeOffset Acknowledged)>> BeatAsync(
        HttpClient devices, IReadOnlyList<string> names, CancellationToken stopping)
    {
        var times = new ConcurrentDictionary<string, (DateTimeOffset, DateTimeOffset)>();
        await Parallel.ForEachAsync(names, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = stopping }, async (name, stop) =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, $"devices/{name}/messages/events?api-version=2020-03-13");
            request.Headers.Add("iothub-app-heartbeat", "true");
            request.Content = new ByteArrayContent([]);
            var sent = TimeProvider.System.GetUtcNow();
            using var answer = await devices.SendAsync(request, stop);
            Assert.True(answer.IsSuccessStatusCode, $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync(stop)}");
            times[name] = (sent, TimeProvider.System.GetUtcNow());
        });
        return times;
    }

    private static async Task KeepBeatingAsync(HttpClient devices, IReadOnlyList<string> names, CancellationToken stopping)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(4));
        try
        {
            while (await timer.WaitForNextTickAsync(stopping))
            {
                await BeatAsync(devices, names, stopping);
            }
        }
        catch (OperationCanceledException)
        {
            // Enough.
        }
    }

    private static HttpClient OperatorClient(OutsideHub hub)
    {
        var credential = OperatorFile.Find(hub.Data)!;
        var port = hub.Connection.GetProperty("ports").GetProperty("operator").GetInt32();
        var client = new HttpClient { BaseAddress = new Uri($"http://{hub.Address}:{port}/$nave/v1/"), Timeout = Timeout.InfiniteTimeSpan };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", credential.Token);
        return client;
    }

    private static async Task ListenAsync(HttpClient client, ConcurrentQueue<JsonNode> transitions, CancellationToken stopping)
    {
        try
        {
            using var answer = await client.GetAsync("heartbeats/stream?kind=transition", HttpCompletionOption.ResponseHeadersRead, stopping);
            using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(stopping));
            while (await reader.ReadLineAsync(stopping) is { } line)
            {
                if (line.StartsWith("data: ", StringComparison.Ordinal))
                {
                    transitions.Enqueue(JsonNode.Parse(line["data: ".Length..])!);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Enough.
        }
    }

    private static async Task UntilAsync(Func<bool> condition, TimeSpan patience, CancellationToken stopping)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        deadline.CancelAfter(patience);
        using var poll = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        try
        {
            while (!condition())
            {
                await poll.WaitForNextTickAsync(deadline.Token);
            }
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
            // What is missing is told by the assertions that follow.
        }
    }
}
