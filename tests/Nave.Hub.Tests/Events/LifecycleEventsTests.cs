using System.Text.Json.Nodes;
using Nave.Hub.Devices;
using Nave.Hub.Events;
using Nave.Hub.Tests.Devices;
using Nave.Tests;

namespace Nave.Hub.Tests.Events;

public sealed class LifecycleEventsTests
{
    [Fact]
    [Conformance("messaging-semantics", 19)]
    public async Task Creating_and_deleting_a_device_are_one_event_each()
    {
        await using var registry = await StartAsync(ChangeSource.DeviceLifecycleEvents);
        await registry.CreateAsync("dev-1");
        await registry.ExpectAsync(registry.Registry.DeleteAsync(RegistryHarness.Id("dev-1"), ETagCondition.Any, default));

        var events = await EventsAsync(registry);
        Assert.Equal(["createDeviceIdentity dev-1", "deleteDeviceIdentity dev-1"], Describe(events));
        var twin = JsonNode.Parse(events[0].Change.Body.Span)!;
        Assert.Equal("dev-1", twin["deviceId"]!.GetValue<string>());
        Assert.Equal("AAAAAAAAAAE=", twin["etag"]!.GetValue<string>());
        Assert.Equal(1, twin["properties"]!["desired"]!["$version"]!.GetValue<int>());
        Assert.NotNull(twin["properties"]!["reported"]!["$metadata"]!["$lastUpdated"]);
        Assert.Equal(registry.Time.GetUtcNow(), events[0].Change.At);
    }

    [Fact]
    public async Task Modules_have_events_too_and_go_before_their_device()
    {
        await using var registry = await StartAsync(ChangeSource.DeviceLifecycleEvents);
        await registry.CreateAsync("dev-1");
        await registry.CreateAsync("dev-1/mod-1");
        await registry.ExpectAsync(registry.Registry.DeleteAsync(RegistryHarness.Id("dev-1"), ETagCondition.Any, default));

        Assert.Equal(
            ["createDeviceIdentity dev-1", "createDeviceIdentity dev-1/mod-1", "deleteDeviceIdentity dev-1/mod-1", "deleteDeviceIdentity dev-1"],
            Describe(await EventsAsync(registry)));
    }

    [Fact]
    public async Task A_bulk_request_has_one_event_for_each_item_that_was_applied()
    {
        await using var registry = await StartAsync(ChangeSource.DeviceLifecycleEvents);
        await registry.CreateAsync("dev-1");
        var errors = await registry.Registry.ApplyAsync(
            [
                new BulkChange(RegistryHarness.Draft("dev-2"), BulkMode.Create),
                new BulkChange(RegistryHarness.Draft("dev-1"), BulkMode.Create), // Is there already.
                new BulkChange(RegistryHarness.Draft("dev-3"), BulkMode.CreateOrUpdate),
                new BulkChange(RegistryHarness.Draft("dev-9"), BulkMode.Delete), // Is not there.
            ],
            default);

        Assert.Equal(2, errors.Errors.Count);
        Assert.Equal(
            ["createDeviceIdentity dev-1", "createDeviceIdentity dev-2", "createDeviceIdentity dev-3"], Describe(await EventsAsync(registry)));
    }

    [Fact]
    [Conformance("messaging-semantics", 22)]
    public async Task Nobody_who_wants_them_means_no_events()
    {
        await using var registry = await StartAsync(ChangeSource.TwinChangeEvents);
        await registry.CreateAsync("dev-1");

        Assert.Empty(await EventsAsync(registry));
    }

    private static async Task<RegistryHarness> StartAsync(params ChangeSource[] wanted)
    {
        var registry = await RegistryHarness.CreateAsync();
        registry.Sources.Replace(wanted);
        return registry;
    }

    private static Task<List<OutboxEvent>> EventsAsync(RegistryHarness registry) =>
        registry.Database.WriteAsync(session => EventOutbox.Take(session, 0, 100, 1_000_000), default);

    private static IEnumerable<string> Describe(IEnumerable<OutboxEvent> events) => events.Select(e => $"{e.Change.OpType} {e.Change.Id}");
}
