using Nave.Hub.Devices;

namespace Nave.Hub.Tests.Devices;

/// <summary>Durable MQTT sessions live and die with their identity.</summary>
public sealed class SubscriptionStoreTests : IAsyncLifetime
{
    private static readonly Subscription Commands = new("devices/pump/messages/devicebound/#", 1);

    private RegistryHarness _hub = null!;

    public async ValueTask InitializeAsync() => _hub = await RegistryHarness.CreateAsync();

    public ValueTask DisposeAsync() => _hub.DisposeAsync();

    [Fact]
    public async Task A_stored_session_is_there_after_a_restart()
    {
        var device = await _hub.CreateAsync("pump");
        await _hub.Subscriptions.PutAsync(device.Id, device.GenerationId, [Commands, new("$iothub/twin/res/#", 0)], default);
        await _hub.RestartAsync(2);

        var stored = await _hub.Subscriptions.GetAsync(device.Id, device.GenerationId, default);

        Assert.Equal([Commands, new("$iothub/twin/res/#", 0)], stored);
    }

    [Fact]
    public async Task An_empty_session_is_a_session_and_none_is_null()
    {
        var device = await _hub.CreateAsync("pump");
        Assert.Null(await _hub.Subscriptions.GetAsync(device.Id, device.GenerationId, default));

        await _hub.Subscriptions.PutAsync(device.Id, device.GenerationId, [], default);

        Assert.Empty((await _hub.Subscriptions.GetAsync(device.Id, device.GenerationId, default))!);
    }

    [Fact]
    public async Task A_put_replaces_and_a_delete_forgets()
    {
        var device = await _hub.CreateAsync("pump");
        await _hub.Subscriptions.PutAsync(device.Id, device.GenerationId, [Commands], default);
        await _hub.Subscriptions.PutAsync(device.Id, device.GenerationId, [], default);
        Assert.Empty((await _hub.Subscriptions.GetAsync(device.Id, device.GenerationId, default))!);

        await _hub.Subscriptions.DeleteAsync(device.Id, default);

        Assert.Null(await _hub.Subscriptions.GetAsync(device.Id, device.GenerationId, default));
    }

    [Fact]
    public async Task A_recreated_device_does_not_inherit_the_session_and_the_old_one_cannot_write_it()
    {
        var first = await _hub.CreateAsync("pump");
        await _hub.Subscriptions.PutAsync(first.Id, first.GenerationId, [Commands], default);
        await _hub.ExpectAsync(_hub.Registry.DeleteAsync(first.Id, ETagCondition.Any, default));
        await _hub.Subscriptions.PutAsync(first.Id, first.GenerationId, [Commands], default);
        var second = await _hub.CreateAsync("pump");
        await _hub.Subscriptions.PutAsync(first.Id, first.GenerationId, [Commands], default);

        Assert.Null(await _hub.Subscriptions.GetAsync(second.Id, second.GenerationId, default));
        Assert.Null(await _hub.Subscriptions.GetAsync(first.Id, first.GenerationId, default));
    }

    [Fact]
    public async Task A_module_has_a_session_of_its_own()
    {
        var device = await _hub.CreateAsync("pump");
        var module = await _hub.CreateAsync("pump/m");
        await _hub.Subscriptions.PutAsync(module.Id, module.GenerationId, [Commands], default);

        Assert.Null(await _hub.Subscriptions.GetAsync(device.Id, device.GenerationId, default));
        Assert.NotNull(await _hub.Subscriptions.GetAsync(module.Id, module.GenerationId, default));
    }
}
