namespace Nave.Hub.Tests.Heads.Http;

/// <summary>Modules over REST (spec/service-rest.md 5).</summary>
public sealed class ModuleEndpointsTests : IAsyncLifetime
{
    private ServiceApiHarness _hub = null!;

    public async ValueTask InitializeAsync()
    {
        _hub = await ServiceApiHarness.StartAsync();
        (await _hub.PutAsync("/devices/pump", "{}")).AssertOk();
    }

    public ValueTask DisposeAsync() => _hub.DisposeAsync();

    [Fact]
    public async Task A_module_is_201_when_new_and_200_when_changed()
    {
        var created = (await _hub.PutAsync("/devices/pump/modules/m", """{"deviceId":"pump","moduleId":"m","managedBy":"IotEdge"}""")).AssertOk(201);
        var updated = (await _hub.PutAsync("/devices/pump/modules/m", """{"managedBy":null}""", created.ETag)).AssertOk();

        Assert.Equal(("pump", "m", "IotEdge"), (created["deviceId"], created["moduleId"], created["managedBy"]));
        Assert.Null(updated["managedBy"]);
        Assert.Equal(created["generationId"], updated["generationId"]);
        Assert.Null(created.Json["status"]);
        Assert.Equal(created.Json["authentication"]!.ToJsonString(), updated.Json["authentication"]!.ToJsonString());
    }

    [Fact]
    public async Task Refusals_tell_device_and_module_apart()
    {
        (await _hub.PutAsync("/devices/pump/modules/m", "{}")).AssertOk(201);

        (await _hub.PutAsync("/devices/pump/modules/m", "{}")).AssertRefused(409, "ModuleAlreadyExistsOnDevice");
        (await _hub.GetAsync("/devices/pump/modules/unknown")).AssertRefused(404, "ModuleNotFound");
        (await _hub.GetAsync("/devices/unknown/modules/m")).AssertRefused(404, "DeviceNotFound");
        (await _hub.GetAsync("/devices/unknown/modules")).AssertRefused(404, "DeviceNotFound");
        (await _hub.PutAsync("/devices/unknown/modules/m", "{}")).AssertRefused(404, "DeviceNotFound");
        (await _hub.PutAsync("/devices/pump/modules/m", """{"moduleId":"n"}""", "*")).AssertRefused(400, "ArgumentInvalid");
        (await _hub.PutAsync("/devices/pump/modules/a%20b", "{}")).AssertRefused(400, "ArgumentInvalid");
    }

    [Fact]
    public async Task Modules_are_listed_and_deleted()
    {
        (await _hub.PutAsync("/devices/pump/modules/b", "{}")).AssertOk(201);
        (await _hub.PutAsync("/devices/pump/modules/a", "{}")).AssertOk(201);
        (await _hub.DeleteAsync("/devices/pump/modules/b")).AssertOk(204);

        var list = (await _hub.GetAsync("/devices/pump/modules")).AssertOk().Json.AsArray();

        Assert.Equal("a", Assert.Single(list)!["moduleId"]!.ToString());
    }

    [Fact]
    public async Task More_than_50_modules_are_refused()
    {
        for (var i = 0; i < 50; i++)
        {
            (await _hub.PutAsync($"/devices/pump/modules/m{i}", "{}")).AssertOk(201);
        }

        (await _hub.PutAsync("/devices/pump/modules/one-more", "{}")).AssertRefused(413, "TooManyModulesOnDevice");
    }

    [Fact]
    public async Task An_edge_device_shows_its_scope_and_has_its_modules()
    {
        var edge = (await _hub.PutAsync("/devices/edge", """{"capabilities":{"iotEdge":true}}""")).AssertOk();
        var leaf = (await _hub.PutAsync("/devices/leaf", $$"""{"deviceScope":"{{edge["deviceScope"]}}"}""")).AssertOk();

        Assert.Equal($"ms-azure-iot-edge://edge-{edge["generationId"]}", edge["deviceScope"]);
        Assert.Equal(edge["deviceScope"], leaf.Json["parentScopes"]![0]!.ToString());
        Assert.Equal(2, (await _hub.GetAsync("/devices/edge/modules")).AssertOk().Json.AsArray().Count);
        Assert.Equal("none", (await _hub.GetAsync("/devices/edge/modules/%24edgeHub")).AssertOk().Json["authentication"]!["type"]!.ToString());
        (await _hub.PutAsync("/devices/stray", """{"deviceScope":"ms-azure-iot-edge://nobody-1"}""")).AssertRefused(400, "InvalidDeviceScope");
    }
}
