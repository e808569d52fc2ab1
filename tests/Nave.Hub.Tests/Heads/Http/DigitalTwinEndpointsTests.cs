namespace Nave.Hub.Tests.Heads.Http;

/// <summary>Digital twins over REST: statuses, ETags and refusals. What a device sees of them is tested with its SDK.</summary>
public sealed class DigitalTwinEndpointsTests : IAsyncLifetime
{
    private const string Patch = """[{"op":"add","path":"/rate","value":5}]""";

    private ServiceApiHarness _api = null!;

    public async ValueTask InitializeAsync()
    {
        _api = await ServiceApiHarness.StartAsync();
        (await _api.PutAsync("/devices/d", """{"deviceId":"d"}""")).AssertOk();
    }

    public ValueTask DisposeAsync() => _api.DisposeAsync();

    [Fact]
    public async Task A_patch_is_accepted_with_the_ETag_of_the_twin_that_it_made()
    {
        var before = (await _api.GetAsync("/digitaltwins/d")).AssertOk();
        Assert.Equal("d", before["$dtId"]);

        var patched = (await _api.SendAsync("PATCH", "/digitaltwins/d", Patch, before.ETag)).AssertOk(202);

        var after = (await _api.GetAsync("/digitaltwins/d")).AssertOk();
        Assert.Equal(patched.ETag, after.ETag);
        Assert.NotEqual(before.ETag, after.ETag);
        Assert.Equal("5", after.Json["$metadata"]!["rate"]!["desiredValue"]!.ToString());
        Assert.Equal("5", (await _api.GetAsync("/twins/d")).Json["properties"]!["desired"]!["rate"]!.ToString());
    }

    [Fact]
    public async Task A_patch_that_changes_nothing_leaves_the_twin_as_it_is()
    {
        var first = (await _api.SendAsync("PATCH", "/digitaltwins/d", Patch)).AssertOk(202);

        var second = (await _api.SendAsync("PATCH", "/digitaltwins/d", Patch)).AssertOk(202);

        Assert.Equal(first.ETag, second.ETag);
    }

    [Fact]
    public async Task What_cannot_be_done_is_refused()
    {
        (await _api.SendAsync("PATCH", "/digitaltwins/d", Patch, "\"stale\"")).AssertRefused(412, "PreconditionFailed");
        (await _api.SendAsync("PATCH", "/digitaltwins/x", Patch)).AssertRefused(404, "DeviceNotFound");
        (await _api.SendAsync("PATCH", "/digitaltwins/d", "[")).AssertRefused(400, "IotHubFormatError");
        (await _api.SendAsync("PATCH", "/digitaltwins/d", "{}")).AssertRefused(400, "ArgumentInvalid");
        (await _api.GetAsync("/digitaltwins/x")).AssertRefused(404, "DeviceNotFound");
        (await _api.GetAsync("/digitaltwins/d", _api.Token("registryRead"))).AssertRefused(401, "IotHubUnauthorizedAccess");
        (await _api.PostAsync("/digitaltwins/x/commands/reboot", "{}")).AssertRefused(404, "DeviceNotFound");
        (await _api.PostAsync("/digitaltwins/d/commands/reboot?responseTimeoutInSeconds=x", "{}")).AssertRefused(400, "ArgumentInvalid");
        var away = await _api.PostAsync("/digitaltwins/d/components/t/commands/reboot", "{}");
        Assert.Equal((404, "DeviceNotOnline"), ((int)away.Status, away.ErrorCode));
    }
}
