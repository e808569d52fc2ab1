using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Nave.Hub.Commands;
using Nave.Hub.Devices;
using Nave.Hub.Events;
using Nave.Hub.Methods;
using Nave.Hub.Tests.Devices;
using Nave.Hub.Twins;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;
using Nave.Storage;
using Nave.Tests;

namespace Nave.Hub.Tests.Twins;

/// <summary>Who writes a twin, in which order, and what is told of it.</summary>
public sealed class TwinBoxTests : IAsyncLifetime
{
    private static readonly IdentityId Pump = RegistryHarness.Id("pump");
    private RegistryHarness _hub = null!; // These three are set before each test.
    private DeviceIdentity _pump = null!;
    private Node _node = null!;

    public async ValueTask InitializeAsync()
    {
        _hub = await RegistryHarness.CreateAsync();
        _pump = await _hub.CreateAsync("pump");
        _node = new Node(_hub.Database, _hub);
    }

    public async ValueTask DisposeAsync()
    {
        await _hub.DisposeAsync();
    }

    [Fact]
    public async Task Two_actors_of_one_device_on_two_nodes_lose_no_update()
    {
        // A second node, with a writer connection of its own on the same data.
        await using var database = HubDatabase.Open(
            new SqliteDialect(_hub.DatabasePath), RegistryHarness.Schema, _hub.Time, NullLogger<HubDatabase>.Instance);
        var nodes = new[] { _node, new Node(database, _hub) };

        await Task.WhenAll(
            from writer in Enumerable.Range(0, 8)
            let node = nodes[writer % 2]
            select Task.Run(async () =>
            {
                for (var i = 0; i < 25; i++)
                {
                    Assert.Null((await node.PatchAsync(_pump, $$"""{"w{{writer}}":{"i{{i}}":{{i}}},"last":{{writer}}}""")).Failure);
                    Assert.Null((await node.ChangeAsync(Patch($$$"""{"tags":{"w{{{writer}}}":{{{i}}}},"properties":{"desired":{"w{{{writer}}}":{"i{{{i}}}":1} } } }"""))).Failure);
                }
            }));

        var twin = await FindAsync();
        Assert.Equal((2L + 400, 201L, 201L, 201L), (twin.Version, twin.ETagCounter, twin.DesiredVersion, twin.ReportedVersion));
        var (tags, desired, reported) = (Json(twin.Tags), Json(twin.Desired), Json(twin.Reported));
        Assert.All(Enumerable.Range(0, 8), writer =>
        {
            Assert.Equal(24, (int)tags[$"w{writer}"]!);
            Assert.Equal(25, desired[$"w{writer}"]!.AsObject().Count);
            Assert.Equal(25, reported[$"w{writer}"]!.AsObject().Count);
        });
    }

    [Fact]
    public async Task Of_two_writers_with_one_etag_one_is_refused()
    {
        var etag = ETagCondition.Exactly((await FindAsync()).ETag);

        var outcomes = await Task.WhenAll(Enumerable.Range(0, 10).Select(i =>
            _node.ChangeAsync(Patch($$$"""{"tags":{"n":{{{i}}}} }"""), etag).AsTask()));

        Assert.Single(outcomes, outcome => outcome.Failure is null);
        Assert.All(outcomes, outcome => Assert.True(outcome.Failure?.Code is null or HubErrorCode.PreconditionFailed));
    }

    [Fact]
    public async Task A_session_of_a_former_identity_writes_nothing_into_its_successor()
    {
        await _hub.Registry.DeleteAsync(Pump, ETagCondition.Any, default);
        await _hub.CreateAsync("pump");

        var outcome = await _node.PatchAsync(_pump, """{"a":1}""");

        Assert.Equal(HubErrorCode.DeviceNotFound, outcome.Failure?.Code);
        Assert.Equal("{}", Encoding.UTF8.GetString((await FindAsync()).Reported));
    }

    [Fact]
    public async Task Only_changes_of_tags_and_desired_move_the_etag()
    {
        await _node.PatchAsync(_pump, """{"a":1}""");
        Assert.Equal("AAAAAAAAAAE=", (await FindAsync()).ETag);

        await _node.ChangeAsync(Patch("""{"tags":{"a":1}}"""));
        Assert.Equal("AAAAAAAAAAI=", (await FindAsync()).ETag);
    }

    [Fact]
    public async Task The_watching_session_is_told_in_order_and_the_one_before_it_is_not()
    {
        var first = await _node.ConnectAsync();
        await _node.Actor.WatchDesiredAsync(first);
        var second = await _node.ConnectAsync();
        await _node.Actor.WatchDesiredAsync(first); // Too late: it has lost the place.
        await _node.ChangeAsync(Patch("""{"properties":{"desired":{"n":1}}}"""));
        Assert.Empty(_node.Told);

        await _node.Actor.WatchDesiredAsync(second);
        await Task.WhenAll(Enumerable.Range(0, 50).Select(i =>
            _node.ChangeAsync(Patch($$$"""{"properties":{"desired":{"n":{{{i}}} } } }""")).AsTask()));
        await _node.Actor.UnwatchDesiredAsync(second);
        await _node.ChangeAsync(Patch("""{"properties":{"desired":{"n":null}}}"""));

        Assert.Equal(Enumerable.Range(3, 50).Select(version => (second, (long)version)), _node.Told.Select(told => (told.Session, told.Change.Version)));
    }

    [Fact]
    public async Task What_another_node_wrote_in_between_comes_as_the_complete_section()
    {
        var other = new Node(_hub.Database, _hub);
        var session = await _node.ConnectAsync();
        await _node.Actor.WatchDesiredAsync(session);
        await _node.ChangeAsync(Patch("""{"properties":{"desired":{"a":1}}}"""));

        await other.ChangeAsync(Patch("""{"properties":{"desired":{"b":2}}}"""));
        await _node.ChangeAsync(Patch("""{"properties":{"desired":{"c":3}}}"""));
        await _node.ChangeAsync(Patch("""{"properties":{"desired":{"d":4}}}"""));

        Assert.Equal(
            ["""{"a":1,"$version":2}""", """{"a":1,"b":2,"c":3,"$version":4}""", """{"d":4,"$version":5}"""],
            _node.Told.Select(told => Encoding.UTF8.GetString(told.Change.Json)));
    }

    [Fact]
    public async Task An_actor_that_nobody_watches_and_nobody_is_connected_to_sleeps_after_a_change()
    {
        await _node.ChangeAsync(Patch("""{"tags":{"a":1}}"""));
        await _node.PatchAsync(_pump, """{"a":1}""");

        Assert.Equal(0, _node.Directory.CountAwake());
    }

    [Fact]
    [Conformance("messaging-semantics", 20)]
    public async Task Each_change_has_its_event_with_only_what_changed()
    {
        _hub.Sources.Replace([ChangeSource.TwinChangeEvents]);

        await _node.PatchAsync(_pump, """{"batt":71}""");
        await _node.PatchAsync(_pump, """{"net":{"ip":"x"}}""");
        await _node.ChangeAsync(Patch("""{"tags":{"site":"n"},"properties":{"desired":{"rate":5}}}"""));
        await _node.ChangeAsync(Patch("""{"properties":{"desired":{"rate":null}}}"""));
        await _node.ChangeAsync(Patch("""{"tags":{"site":"s"}}""", isReplace: true));

        var events = await _hub.Database.WriteAsync(session => EventOutbox.Take(session, 0, 10, 1 << 20), default);
        Assert.Equal(["updateTwin", "updateTwin", "updateTwin", "updateTwin", "replaceTwin"], events.Select(e => e.Change.OpType));
        var at = _hub.Time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", null);
        Assert.Equal(
            $$$"""{"version":4,"properties":{"reported":{"net":{"ip":"x"},"$metadata":{"$lastUpdated":"{{{at}}}","net":{"$lastUpdated":"{{{at}}}","ip":{"$lastUpdated":"{{{at}}}"} } },"$version":3} } }""".Replace(" ", "", StringComparison.Ordinal),
            Body(events[1]));
        Assert.Equal(
            $$$"""{"version":5,"tags":{"site":"n"},"properties":{"desired":{"rate":5,"$metadata":{"$lastUpdated":"{{{at}}}","$lastUpdatedVersion":2,"rate":{"$lastUpdated":"{{{at}}}","$lastUpdatedVersion":2} },"$version":2} } }""".Replace(" ", "", StringComparison.Ordinal),
            Body(events[2]));
        Assert.Equal(
            $$$"""{"version":6,"properties":{"desired":{"rate":null,"$metadata":{"$lastUpdated":"{{{at}}}","$lastUpdatedVersion":3},"$version":3} } }""".Replace(" ", "", StringComparison.Ordinal),
            Body(events[3]));
        Assert.StartsWith("""{"deviceId":"pump","etag":"AAAAAAAAAAQ=","version":7,"tags":{"site":"s"},"properties":{"desired":{"$metadata":""", Body(events[4]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refused_change_has_no_event_and_changes_nothing()
    {
        _hub.Sources.Replace([ChangeSource.TwinChangeEvents]);

        await _node.ChangeAsync(Patch("""{"tags":{"a":1}}"""), ETagCondition.Exactly("other"));
        await _node.PatchAsync(_pump, """{"a":1}""", expectedVersion: 7);

        Assert.Empty(await _hub.Database.WriteAsync(session => EventOutbox.Take(session, 0, 10, 1 << 20), default));
        Assert.Equal(2, (await FindAsync()).Version);
    }

    private Task<TwinRow> FindAsync() => _hub.Database.ReadAsync(session => TwinWriter.FindRow(session, Pump)!, default);

    private static TwinUpdate Patch(string body, bool isReplace = false)
    {
        using var document = JsonDocument.Parse(body);
        return TwinUpdate.Read(document.RootElement, isReplace).Value!;
    }

    private static JsonNode Json(byte[] json) => JsonNode.Parse(json)!;

    private static string Body(OutboxEvent item) => Encoding.UTF8.GetString(item.Change.Body.Span);

    /// <summary>A node with a directory of its own, and what it told sessions.</summary>
    private sealed class Node : ITwinRoute
    {
        private readonly TwinStore _twins;
        private long _sessions;

        public Node(HubDatabase database, RegistryHarness hub)
        {
            _twins = new TwinStore(database, new TwinReader(hub.Presence), new TwinWriter(new TwinOptions(), hub.Outbox, hub.Time));
            Directory = new InProcessDeviceDirectory(id => new DeviceActor(id, new ActorParts(
                id => new CommandBox(
                    id, new CommandStore(database), new CommandOptions(), new CommandRoute(new SessionTable(hub.Node)), new CommandClock(), hub.Time, () => Guid.Empty),
                id => new TwinBox(id, _twins, this),
                () => new MethodWatch(route: null!)))); // Nobody calls a method here.
        }

        public InProcessDeviceDirectory Directory { get; }

        public ConcurrentQueue<(SessionName Session, DesiredChange Change)> Told { get; } = new();

        public IDeviceActor Actor => Directory.Of(Pump);

        public async Task<SessionName> ConnectAsync() => (await Actor.ConnectAsync(Guid.Empty, ++_sessions, 0)).Current;

        public ValueTask<ReportedOutcome> PatchAsync(DeviceIdentity device, string patch, long? expectedVersion = null) =>
            Actor.PatchReportedAsync(_twins.ReadPatch(device.GenerationId, Encoding.UTF8.GetBytes(patch), expectedVersion).Value!);

        public ValueTask<Outcome<TwinChanged>> ChangeAsync(TwinUpdate update, ETagCondition? condition = null) =>
            Actor.ChangeTwinAsync(update, condition ?? ETagCondition.Any);

        public void DesiredChanged(SessionName session, DesiredChange change) => Told.Enqueue((session, change));
    }
}
