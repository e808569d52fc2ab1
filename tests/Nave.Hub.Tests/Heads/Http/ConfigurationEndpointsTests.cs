namespace Nave.Hub.Tests.Heads.Http;

/// <summary>Configurations over REST: limits, refusals and rights. What they do to twins is tested with the hub.</summary>
public sealed class ConfigurationEndpointsTests : IAsyncLifetime
{
    private ServiceApiHarness _api = null!;

    public async ValueTask InitializeAsync() => _api = await ServiceApiHarness.StartAsync();

    public ValueTask DisposeAsync() => _api.DisposeAsync();

    [Fact]
    public async Task A_configuration_is_made_changed_and_deleted()
    {
        var made = (await PutAsync("c", """{"id":"c","targetCondition":"tags.a = 1","priority":3,"content":{"deviceContent":{"properties.desired.x":1}}}""")).AssertOk(201);
        Assert.Equal($"\"{made["etag"]}\"", made.ETag);
        Assert.Equal("select deviceId from devices where tags.a = 1", made.Json["systemMetrics"]!["queries"]!["targetedCount"]!.ToString());

        (await PutAsync("c", """{"id":"c"}""")).AssertRefused(409, "ConfigurationAlreadyExists");
        var changed = (await PutAsync("c", """{"id":"c","targetCondition":"*","priority":4}""", made.ETag)).AssertOk();
        Assert.Equal("4", changed["priority"]);
        Assert.Equal("1", changed.Json["content"]!["deviceContent"]!["properties.desired.x"]!.ToString());
        (await PutAsync("c", """{"id":"c"}""", made.ETag)).AssertRefused(412, "PreconditionFailed");

        (await _api.DeleteAsync("/configurations/c", made.ETag)).AssertRefused(412, "PreconditionFailed");
        (await _api.DeleteAsync("/configurations/c", ifMatch: null)).AssertOk(204);
        (await _api.GetAsync("/configurations/c")).AssertRefused(404, "ConfigurationNotFound");
        (await PutAsync("c", """{"id":"c"}""", "*")).AssertRefused(404, "ConfigurationNotFound");
        (await PutAsync("c", """{"id":"c"}""")).AssertOk(201); // Its number is another.
    }

    [Fact]
    public async Task A_hub_has_a_hundred_configurations_of_five_metrics()
    {
        var metrics = string.Join(',', Enumerable.Range(0, 6).Select(i => $"\"m{i}\":\"SELECT deviceId FROM devices\""));
        (await PutAsync("c", $$"""{"metrics":{"queries":{ {{metrics}} } } }""")).AssertRefused(400, "InvalidConfigurationCustomMetricsQuery");
        for (var i = 0; i < 100; i++)
        {
            (await PutAsync($"c{i}", "{}")).AssertOk(201);
        }

        (await PutAsync("one-more", "{}")).AssertRefused(403, "IotHubQuotaExceeded");
        Assert.Equal(100, (await _api.GetAsync("/configurations")).AssertOk().Json.AsArray().Count);
        Assert.Equal(["c0", "c1"], (await _api.GetAsync("/configurations?top=2")).AssertOk().Json.AsArray().Select(c => c!["id"]!.ToString()));
    }

    [Theory]
    [InlineData("c", """{"id":"d"}""", "ArgumentInvalid")]
    [InlineData("Upper", "{}", "ArgumentInvalid")]
    [InlineData("c", "[]", "IotHubFormatError")]
    [InlineData("c", """{"priority":-1}""", "IotHubFormatError")]
    [InlineData("c", """{"labels":{"a":1}}""", "IotHubFormatError")]
    [InlineData("c", """{"targetCondition":"tags.a ="}""", "InvalidConfigurationTargetCondition")]
    [InlineData("c", """{"targetCondition":"FROM devices.jobs"}""", "InvalidConfigurationTargetCondition")]
    [InlineData("c", """{"targetCondition":"*","content":{"moduleContent":{"properties.desired.a":1}}}""", "InvalidConfigurationTargetCondition")]
    [InlineData("c", """{"targetCondition":"FROM devices.modules","content":{"deviceContent":{"properties.desired.a":1}}}""", "InvalidConfigurationTargetCondition")]
    [InlineData("c", """{"content":{"deviceContent":{"properties.reported.a":1}}}""", "InvalidConfigurationContent")]
    [InlineData("c", """{"content":{"modulesContent":{"a/b":{}}}}""", "InvalidConfigurationContent")]
    [InlineData("c", """{"metrics":{"queries":{"m":"DELETE"}}}""", "InvalidConfigurationCustomMetricsQuery")]
    public async Task What_no_configuration_may_be_is_refused(string id, string body, string code) =>
        (await PutAsync(id, body)).AssertRefused(400, code);

    [Fact]
    public async Task Queries_can_be_tried()
    {
        var answer = (await _api.PostAsync(
            "/configurations/testQueries",
            """{"targetCondition":"tags.a >","customMetricQueries":{"good":"SELECT deviceId FROM devices","bad":"SELECT FROM"}}""")).AssertOk();

        Assert.NotEmpty(answer["targetConditionError"]!);
        Assert.Equal(["bad"], answer.Json["customMetricQueryErrors"]!.AsObject().Select(error => error.Key));
        var good = (await _api.PostAsync("/configurations/testQueries", """{"targetCondition":"tags.a > 1"}""")).AssertOk();
        Assert.Null(good["targetConditionError"]);
    }

    [Fact]
    public async Task Who_may_read_the_registry_may_read_configurations_and_who_may_write_it_may_write_them()
    {
        (await PutAsync("c", "{}", token: _api.Token("registryRead"))).AssertRefused(401, "IotHubUnauthorizedAccess");
        (await PutAsync("c", "{}", token: _api.Token("registryReadWrite"))).AssertOk(201);
        (await _api.GetAsync("/configurations/c", _api.Token("registryRead"))).AssertOk();
        (await _api.GetAsync("/configurations", _api.Token("service"))).AssertRefused(401, "IotHubUnauthorizedAccess");
        (await _api.PostAsync("/devices/d/applyConfigurationContent", "{}", _api.Token("registryRead"))).AssertRefused(401, "IotHubUnauthorizedAccess");
    }

    [Fact]
    public async Task Content_is_applied_to_a_device_and_its_modules_at_once()
    {
        (await _api.PutAsync("/devices/d", """{"deviceId":"d"}""")).AssertOk();
        (await _api.PutAsync("/devices/d/modules/m", """{"deviceId":"d","moduleId":"m"}""")).AssertOk(201);
        const string Content = """{"deviceContent":{"properties.desired.a":1},"modulesContent":{"m":{"properties.desired":{"b":{"c":2}}}}}""";

        (await _api.PostAsync("/devices/d/applyConfigurationContent", Content)).AssertOk(204);
        (await _api.PostAsync("/devices/d/applyConfigurationContent", Content)).AssertOk(204);

        Assert.Equal("1", (await _api.GetAsync("/twins/d")).Json["properties"]!["desired"]!["a"]!.ToString());
        var module = (await _api.GetAsync("/twins/d/modules/m")).Json["properties"]!["desired"]!;
        Assert.Equal("2", module["b"]!["c"]!.ToString());
        Assert.Equal("2", module["$version"]!.ToString()); // The second time there was nothing to do.
        (await _api.PostAsync("/devices/d/applyConfigurationContent", """{"modulesContent":{"x":{}}}""")).AssertRefused(404, "ModuleNotFound");
        (await _api.PostAsync("/devices/d/applyConfigurationContent", """{"moduleContent":{"properties.desired.a":1}}""")).AssertRefused(400, "InvalidConfigurationContent");
    }

    private Task<Answer> PutAsync(string id, string body, string? ifMatch = null, string? token = null) =>
        _api.PutAsync($"/configurations/{id}", body, ifMatch, token);
}
