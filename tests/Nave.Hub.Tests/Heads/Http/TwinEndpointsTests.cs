using System.Text.Json.Nodes;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Http;

/// <summary>Twins over REST (spec/service-rest.md 6).</summary>
public sealed class TwinEndpointsTests : IAsyncLifetime
{
    private ServiceApiHarness _hub = null!; // Set before each test.

    public async ValueTask InitializeAsync()
    {
        _hub = await ServiceApiHarness.StartAsync();
        (await _hub.PutAsync("/devices/pump", "{}")).AssertOk();
    }

    public ValueTask DisposeAsync() => _hub.DisposeAsync();

    [Fact]
    [Conformance("service-rest", 14)]
    public async Task A_new_device_has_an_empty_twin_with_every_member()
    {
        var twin = (await _hub.GetAsync("/twins/pump")).AssertOk();

        Assert.Equal("\"AAAAAAAAAAE=\"", twin.ETag);
        Assert.Matches(
            """
            ^\{"deviceId":"pump","etag":"AAAAAAAAAAE=","deviceEtag":"[^"]+","status":"enabled","statusUpdateTime":"0001-01-01T00:00:00Z",
            "connectionState":"Disconnected","lastActivityTime":"0001-01-01T00:00:00Z","cloudToDeviceMessageCount":0,"authenticationType":"sas",
            "x509Thumbprint":\{"primaryThumbprint":null,"secondaryThumbprint":null\},"modelId":"","version":2,"tags":\{\},
            "properties":\{"desired":\{"\$metadata":\{"\$lastUpdated":"0001-01-01T00:00:00Z"\},"\$version":1\},
            "reported":\{"\$metadata":\{"\$lastUpdated":"0001-01-01T00:00:00Z"\},"\$version":1\}\},"capabilities":\{"iotEdge":false\}\}$
            """.ReplaceLineEndings(""),
            twin.Text);
    }

    [Fact]
    [Conformance("service-rest", 15)]
    public async Task What_the_dotnet_client_sends_changes_the_tags()
    {
        var etag = (await _hub.GetAsync("/twins/pump")).ETag;

        var twin = (await PatchAsync(
            "/twins/pump", """{"deviceId":"pump","etag":null,"version":null,"tags":{"site":"north"},"properties":{"desired":{},"reported":{}}}""", etag)).AssertOk();

        Assert.Equal("north", twin.Json["tags"]!["site"]!.ToString());
        Assert.Equal(("AAAAAAAAAAI=", "3"), (twin["etag"], twin["version"]));
        Assert.Equal("1", twin.Json["properties"]!["desired"]!["$version"]!.ToString());
    }

    [Fact]
    [Conformance("service-rest", 16)]
    public async Task Null_removes_a_key_and_its_metadata_and_moves_the_parents()
    {
        await PatchAsync("/twins/pump", """{"properties":{"desired":{"a":{"b":1,"c":[1,{"d":2}]},"e":"x"}}}""");
        var before = Desired(await _hub.GetAsync("/twins/pump"));

        var after = Desired((await PatchAsync("/twins/pump", """{"properties":{"desired":{"a":{"b":null}}}}""")).AssertOk());

        Assert.Equal("""{"c":[1,{"d":2}]}""", after["a"]!.ToJsonString());
        Assert.Equal("x", after["e"]!.ToString());
        Assert.Equal(3, (int)after["$version"]!);
        var metadata = after["$metadata"]!;
        Assert.Equal(["$lastUpdated", "$lastUpdatedVersion", "c"], metadata["a"]!.AsObject().Select(node => node.Key));
        Assert.NotEqual(before["$metadata"]!["a"]!["$lastUpdated"]!.ToString(), metadata["a"]!["$lastUpdated"]!.ToString());
        Assert.Equal((3, 3), ((int)metadata["$lastUpdatedVersion"]!, (int)metadata["a"]!["$lastUpdatedVersion"]!));
        Assert.Equal(before["$metadata"]!["e"]!.ToJsonString(), metadata["e"]!.ToJsonString());
        Assert.Equal(["$lastUpdated", "$lastUpdatedVersion"], metadata["a"]!["c"]!.AsObject().Select(node => node.Key));
    }

    [Fact]
    [Conformance("service-rest", 17)]
    public async Task A_put_replaces_the_sections_that_it_names_only()
    {
        await PatchAsync("/twins/pump", """{"tags":{"old":1,"both":1},"properties":{"desired":{"rate":5}}}""");

        var twin = (await _hub.PutAsync("/twins/pump", """{"tags":{"both":2,"none":null}}""")).AssertOk();

        Assert.Equal("""{"both":2}""", twin.Json["tags"]!.ToJsonString());
        Assert.Equal(("5", "2"), (Desired(twin)["rate"]!.ToString(), Desired(twin)["$version"]!.ToString()));

        twin = (await _hub.PutAsync("/twins/pump", """{"properties":{"desired":{"$version":7,"$metadata":{"x":1},"pace":1}}}""")).AssertOk();
        Assert.Equal(["pace", "$metadata", "$version"], Desired(twin).AsObject().Select(member => member.Key));
        Assert.Equal("""{"both":2}""", twin.Json["tags"]!.ToJsonString());
    }

    [Fact]
    public async Task A_patch_with_null_for_a_section_clears_it()
    {
        await PatchAsync("/twins/pump", """{"tags":{"site":"north"},"properties":{"desired":{"rate":5}}}""");

        var twin = (await PatchAsync("/twins/pump", """{"tags":null,"properties":{"desired":null}}""")).AssertOk();

        Assert.Equal("{}", twin.Json["tags"]!.ToJsonString());
        Assert.Equal(["$metadata", "$version"], Desired(twin).AsObject().Select(member => member.Key));
        Assert.Equal("3", Desired(twin)["$version"]!.ToString());
    }

    [Fact]
    public async Task If_match_is_kept_in_all_its_spellings()
    {
        (await PatchAsync("/twins/pump", """{"tags":{"a":1}}""", "\"AAAAAAAAAAE=\"")).AssertOk();
        (await PatchAsync("/twins/pump", """{"tags":{"a":2}}""", "\"AAAAAAAAAAE=\"")).AssertRefused(412, "PreconditionFailed");
        (await PatchAsync("/twins/pump", """{"tags":{"a":3}}""", "AAAAAAAAAAI=")).AssertOk();
        (await PatchAsync("/twins/pump", """{"tags":{"a":4}}""", "*")).AssertOk();
        (await _hub.PutAsync("/twins/pump", """{"tags":{"a":5}}""", "\"*\"")).AssertOk();

        Assert.Equal("5", (await _hub.GetAsync("/twins/pump")).Json["tags"]!["a"]!.ToString());
    }

    [Fact]
    [Conformance("service-rest", 12)]
    public async Task A_recreated_device_has_a_twin_of_its_own()
    {
        await PatchAsync("/twins/pump", """{"tags":{"site":"north"}}""");
        (await _hub.DeleteAsync("/devices/pump")).AssertOk(204);
        (await _hub.GetAsync("/twins/pump")).AssertRefused(404, "DeviceNotFound");

        (await _hub.PutAsync("/devices/pump", "{}")).AssertOk();

        var twin = await _hub.GetAsync("/twins/pump");
        Assert.Equal(("{}", "2"), (twin.Json["tags"]!.ToJsonString(), twin["version"]));
    }

    [Fact]
    public async Task A_module_has_a_twin_of_its_own()
    {
        (await _hub.PutAsync("/devices/pump/modules/valve", "{}")).AssertOk(201);

        (await PatchAsync("/twins/pump/modules/valve", """{"properties":{"desired":{"open":true}}}""")).AssertOk();

        var twin = (await _hub.GetAsync("/twins/pump/modules/valve")).AssertOk();
        Assert.Equal(("pump", "valve", "true"), (twin["deviceId"], twin["moduleId"], Desired(twin)["open"]!.ToString()));
        Assert.Null(Desired(await _hub.GetAsync("/twins/pump"))["open"]);
        (await _hub.GetAsync("/twins/pump/modules/none")).AssertRefused(404, "ModuleNotFound");
        (await PatchAsync("/twins/pump/modules/none", """{"tags":{"a":1}}""")).AssertRefused(404, "ModuleNotFound");
        (await PatchAsync("/twins/none", """{"tags":{"a":1}}""")).AssertRefused(404, "DeviceNotFound");
    }

    [Theory]
    [InlineData("[]", "IotHubFormatError")]
    [InlineData("{", "IotHubFormatError")]
    [InlineData("", "IotHubFormatError")]
    [InlineData("""{"tags":{"a":1},"tags":{"a":2}}""", "IotHubFormatError")]
    [InlineData("""{"tags":5}""", "ArgumentInvalid")]
    [InlineData("""{"properties":[]}""", "ArgumentInvalid")]
    [InlineData("""{"properties":{"desired":"x"}}""", "ArgumentInvalid")]
    [InlineData("""{"properties":{"reported":{"a":1}}}""", "ArgumentInvalid")]
    public async Task Bodies_that_are_no_change_are_refused(string body, string code)
    {
        (await PatchAsync("/twins/pump", body)).AssertRefused(400, code);

        Assert.Equal("2", (await _hub.GetAsync("/twins/pump"))["version"]);
    }

    [Fact]
    public async Task A_section_over_its_limit_is_refused_by_what_it_would_become()
    {
        var half = new JsonObject { ["tags"] = new JsonObject { ["a"] = new string('x', 4000), ["b"] = new string('x', 3900) } }.ToJsonString();
        (await PatchAsync("/twins/pump", half)).AssertOk();

        (await PatchAsync("/twins/pump", $$$"""{"tags":{"c":"{{{new string('y', 400)}}}"}}""")).AssertRefused(400, "ArgumentInvalid");
        (await PatchAsync("/twins/pump", $$$"""{"tags":{"b":null,"c":"{{{new string('y', 400)}}}"}}""")).AssertOk();
    }

    [Fact]
    public async Task Bulk_requests_create_and_update_twins()
    {
        (await _hub.PutAsync("/devices/other", "{}")).AssertOk();
        var etag = (await _hub.GetAsync("/twins/other"))["etag"];

        var answer = await _hub.PostAsync(
            "/devices",
            $$$"""
            [{"id":"new","importMode":"create","tags":{"site":"north"},"properties":{"desired":{"rate":5} } },
             {"id":"pump","importMode":"updateTwin","tags":{"site":"south"}},
             {"id":"other","importMode":"UpdateTwinIfMatchETag","twinETag":"{{{etag}}}","properties":{"desired":{"rate":6} } },
             {"id":"big","importMode":"create","tags":{"a.b":1}},
             {"id":"none","importMode":"updateTwin","tags":{"site":"x"}}]
            """);

        Assert.Equal(
            ["big 400004", "none 404001"],
            answer.AssertOk().Json["errors"]!.AsArray().Select(error => $"{error!["deviceId"]} {error["errorCode"]}").Order());
        var made = await _hub.GetAsync("/twins/new");
        Assert.Equal(("north", "5"), (made.Json["tags"]!["site"]!.ToString(), Desired(made)["rate"]!.ToString()));
        Assert.Equal("south", (await _hub.GetAsync("/twins/pump")).Json["tags"]!["site"]!.ToString());
        Assert.Equal("6", Desired(await _hub.GetAsync("/twins/other"))["rate"]!.ToString());
        (await _hub.GetAsync("/devices/big")).AssertRefused(404, "DeviceNotFound");

        answer = await _hub.PostAsync("/devices", $$$"""[{"id":"other","importMode":"updateTwinIfMatchETag","twinETag":"{{{etag}}}","tags":{"a":1}}]""");
        Assert.Equal("412001", answer.AssertOk(400).Json["errors"]![0]!["errorCode"]!.ToString());
    }

    [Fact]
    public async Task Twins_need_the_right_of_services()
    {
        var token = _hub.Token("registryReadWrite");

        (await _hub.GetAsync("/twins/pump", token)).AssertRefused(401, "IotHubUnauthorizedAccess");
        (await _hub.SendAsync("PATCH", "/twins/pump", """{"tags":{"a":1}}""", token: token)).AssertRefused(401, "IotHubUnauthorizedAccess");
    }

    private Task<Answer> PatchAsync(string path, string body, string? ifMatch = null) => _hub.SendAsync("PATCH", path, body, ifMatch);

    private static JsonNode Desired(Answer twin) => twin.Json["properties"]!["desired"]!;
}
