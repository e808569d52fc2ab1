using Nave.Hub.Devices;
using Nave.Protocol.Errors;
using static Nave.Hub.Tests.Devices.RegistryHarness;

namespace Nave.Hub.Tests.Devices;

/// <summary>Modules, edge devices and parent scopes.</summary>
public sealed class ModuleRegistryTests : IAsyncLifetime
{
    private RegistryHarness _hub = null!;

    public async ValueTask InitializeAsync() => _hub = await RegistryHarness.CreateAsync();

    public ValueTask DisposeAsync() => _hub.DisposeAsync();

    [Fact]
    public async Task A_module_needs_its_device() =>
        await _hub.ExpectFailureAsync(HubErrorCode.DeviceNotFound, _hub.Registry.CreateAsync(Draft("nobody/m"), default));

    [Fact]
    public async Task A_module_has_credentials_of_its_own()
    {
        var device = await _hub.CreateAsync("pump");
        var module = await _hub.CreateAsync("pump/m");

        Assert.NotEqual(device.Authentication.PrimaryKey, module.Authentication.PrimaryKey);
        Assert.NotEqual(device.GenerationId, module.GenerationId);
        await _hub.ExpectFailureAsync(HubErrorCode.ModuleAlreadyExistsOnDevice, _hub.Registry.CreateAsync(Draft("pump/m"), default));
    }

    [Fact]
    public async Task A_missing_module_and_a_missing_device_are_told_apart()
    {
        await _hub.CreateAsync("pump");

        await _hub.ExpectFailureAsync(HubErrorCode.ModuleNotFound, _hub.Registry.DeleteAsync(Id("pump/m"), ETagCondition.Any, default));
        await _hub.ExpectFailureAsync(HubErrorCode.DeviceNotFound, _hub.Registry.DeleteAsync(Id("nobody/m"), ETagCondition.Any, default));
        Assert.Equal(HubErrorCode.DeviceNotFound, (await _hub.Registry.ListModulesAsync(Id("nobody").Device, default)).Failure?.Code);
    }

    [Fact]
    public async Task A_device_has_only_so_many_modules()
    {
        await using var small = await RegistryHarness.CreateAsync(new RegistryLimits { MaxModulesPerDevice = 2 });
        await small.CreateAsync("pump");
        await small.CreateAsync("pump/a");
        await small.CreateAsync("pump/b");

        await small.ExpectFailureAsync(HubErrorCode.TooManyModulesOnDevice, small.Registry.CreateAsync(Draft("pump/c"), default));
    }

    [Fact]
    public async Task A_module_follows_the_status_of_its_device_and_that_is_told()
    {
        await _hub.CreateAsync("pump");
        await _hub.CreateAsync("pump/m");
        _hub.Changes.Clear();

        await _hub.ExpectAsync(_hub.Registry.UpdateAsync(Draft("pump") with { IsEnabled = false }, ETagCondition.Any, default));

        Assert.False((await _hub.Registry.FindAsync(Id("pump/m"), default))!.IsEnabled);
        var (before, after) = Assert.Single(_hub.Changes, change => change.After!.Id == Id("pump/m"));
        Assert.True(before!.IsEnabled);
        Assert.False(after!.IsEnabled);
        Assert.Equal(2, _hub.Changes.Count);
    }

    [Fact]
    public async Task Deleting_a_device_deletes_its_modules_and_tells_each()
    {
        await _hub.CreateAsync("pump");
        await _hub.CreateAsync("pump/a");
        await _hub.CreateAsync("pump/b");
        await _hub.CreateAsync("pumpkin/".TrimEnd('/'));
        _hub.Changes.Clear();

        await _hub.ExpectAsync(_hub.Registry.DeleteAsync(Id("pump"), ETagCondition.Any, default));

        Assert.Null(await _hub.Registry.FindAsync(Id("pump/a"), default));
        Assert.Equal(["pump", "pump/a", "pump/b"], _hub.Changes.Select(change => change.Before!.Id.ToString()));
        Assert.All(_hub.Changes, change => Assert.Null(change.After));
        Assert.NotNull(await _hub.Registry.FindAsync(Id("pumpkin"), default));
    }

    [Fact]
    public async Task An_edge_device_gets_its_scope_and_its_two_modules()
    {
        var edge = await _hub.ExpectAsync(_hub.Registry.CreateAsync(Draft("edge") with { IsEdge = true }, default));

        Assert.Equal($"ms-azure-iot-edge://edge-{edge.GenerationId}", edge.DeviceScope);
        var modules = (await _hub.Registry.ListModulesAsync(edge.Id.Device, default)).Value!;
        Assert.Equal(["edge/$edgeAgent", "edge/$edgeHub"], modules.Select(module => module.Id.ToString()));
        Assert.All(modules, module => Assert.Equal(AuthenticationType.None, module.Authentication.Type));
        Assert.Equal(new RegistryCounts(1, 1, 2), await _hub.Registry.CountAsync(default));
    }

    [Fact]
    public async Task A_device_that_becomes_an_edge_device_gets_them_too()
    {
        await _hub.CreateAsync("edge");

        var edge = await _hub.ExpectAsync(_hub.Registry.UpdateAsync(Draft("edge") with { IsEdge = true }, ETagCondition.Any, default));

        Assert.NotNull(edge.DeviceScope);
        Assert.NotNull(await _hub.Registry.FindAsync(Id("edge/$edgeHub"), default));
    }

    [Fact]
    public async Task The_scope_of_an_edge_device_cannot_be_set_to_another()
    {
        var edge = await _hub.ExpectAsync(_hub.Registry.CreateAsync(Draft("edge") with { IsEdge = true }, default));

        await _hub.ExpectFailureAsync(
            HubErrorCode.InvalidDeviceScope,
            _hub.Registry.UpdateAsync(Draft("edge") with { DeviceScope = "ms-azure-iot-edge://edge-1" }, ETagCondition.Any, default));
        var same = await _hub.ExpectAsync(
            _hub.Registry.UpdateAsync(Draft("edge") with { DeviceScope = edge.DeviceScope }, ETagCondition.Any, default));
        Assert.Equal(edge.DeviceScope, same.DeviceScope);
    }

    [Fact]
    public async Task A_leaf_with_its_parents_scope_has_it_as_parent_scope_too()
    {
        var edge = await _hub.ExpectAsync(_hub.Registry.CreateAsync(Draft("edge") with { IsEdge = true }, default));

        var byScope = await _hub.ExpectAsync(_hub.Registry.CreateAsync(Draft("leaf1") with { DeviceScope = edge.DeviceScope }, default));
        var byParent = await _hub.ExpectAsync(_hub.Registry.CreateAsync(Draft("leaf2") with { ParentScopes = [edge.DeviceScope!] }, default));

        Assert.Equal([edge.DeviceScope!], byScope.ParentScopes);
        Assert.Equal(edge.DeviceScope, byParent.DeviceScope);
        Assert.Equivalent(byScope, await _hub.Registry.FindAsync(Id("leaf1"), default), strict: true);
    }

    [Fact]
    public async Task An_edge_device_may_have_another_as_its_parent()
    {
        var top = await _hub.ExpectAsync(_hub.Registry.CreateAsync(Draft("top") with { IsEdge = true }, default));

        var nested = await _hub.ExpectAsync(
            _hub.Registry.CreateAsync(Draft("nested") with { IsEdge = true, ParentScopes = [top.DeviceScope!] }, default));

        Assert.Equal([top.DeviceScope!], nested.ParentScopes);
        Assert.NotEqual(top.DeviceScope, nested.DeviceScope);
    }

    [Theory]
    [InlineData("edge")]
    [InlineData("ms-azure-iot-edge://")]
    [InlineData("ms-azure-iot-edge://edge")]
    [InlineData("ms-azure-iot-edge://edge-12345")]
    [InlineData("ms-azure-iot-edge://nobody-12345")]
    [InlineData("ms-azure-iot-edge://plain-12345")]
    public async Task A_parent_scope_that_names_no_edge_device_is_refused(string scope)
    {
        await _hub.ExpectAsync(_hub.Registry.CreateAsync(Draft("edge") with { IsEdge = true }, default));
        await _hub.CreateAsync("plain");

        await _hub.ExpectFailureAsync(
            HubErrorCode.InvalidDeviceScope, _hub.Registry.CreateAsync(Draft("leaf") with { DeviceScope = scope }, default));
    }
}
