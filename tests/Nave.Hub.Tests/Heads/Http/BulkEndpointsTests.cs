using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Http;

/// <summary>Bulk requests as the Node and .NET clients send them.</summary>
public sealed class BulkEndpointsTests : IAsyncLifetime
{
    private ServiceApiHarness _hub = null!;

    public async ValueTask InitializeAsync() => _hub = await ServiceApiHarness.StartAsync();

    public ValueTask DisposeAsync() => _hub.DisposeAsync();

    [Theory]
    [InlineData("/devices", "create")]
    [InlineData("/devices/", "Create")]
    [InlineData("/devices/", "CREATEORUPDATE")]
    [InlineData("/DEVICES", "")]
    [Conformance("service-rest", 9)]
    public async Task Both_spellings_work_in_any_case_of_the_mode(string path, string mode)
    {
        var answer = (await _hub.PostAsync(path, $$"""[{"id":"a","importMode":"{{mode}}"},{"id":"b","importMode":"{{mode}}"}]""")).AssertOk();

        Assert.Equal("""{"isSuccessful":true,"errors":[],"warnings":[]}""", answer.Text);
        Assert.Equal(2, (await _hub.GetAsync("/devices")).Json.AsArray().Count);
    }

    [Theory]
    [InlineData("eTag")]
    [InlineData("etag")]
    [Conformance("service-rest", 9)]
    public async Task The_etag_is_read_in_both_spellings(string member)
    {
        var etag = (await _hub.PutAsync("/devices/a", "{}")).AssertOk()["etag"];

        (await _hub.PostAsync("/devices", $$"""[{"id":"a","importMode":"UpdateIfMatchETag","{{member}}":"{{etag}}"}]""")).AssertOk();
    }

    [Fact]
    [Conformance("service-rest", 9)]
    public async Task Every_mode_that_node_sends_does_its_work()
    {
        (await _hub.PostAsync("/devices", """[{"id":"a","importMode":"create"},{"id":"b","importMode":"create"},{"id":"c","importMode":"create"}]""")).AssertOk();
        var etag = (await _hub.GetAsync("/devices/b"))["etag"];

        var answer = (await _hub.PostAsync(
            "/devices",
            $$"""
            [{"id":"a","importMode":"Update","status":"disabled"},{"id":"b","importMode":"UpdateIfMatchETag","eTag":"{{etag}}","status":"disabled"},
             {"id":"c","importMode":"Delete"}]
            """)).AssertOk();

        Assert.Equal("True", answer["isSuccessful"], ignoreCase: true);
        Assert.Equal("""{"totalDeviceCount":2,"enabledDeviceCount":0,"disabledDeviceCount":2}""", (await _hub.GetAsync("/statistics/devices")).Text);
        (await _hub.PostAsync("/devices", """[{"id":"a","importMode":"DeleteIfMatchETag","eTag":"stale"}]""")).AssertOk(400);
    }

    [Fact]
    [Conformance("service-rest", 10)]
    public async Task One_duplicate_among_good_ones_is_named_by_number()
    {
        (await _hub.PutAsync("/devices/old", "{}")).AssertOk();

        var answer = (await _hub.PostAsync("/devices", """[{"id":"new","importMode":"create"},{"id":"old","importMode":"create"}]""")).AssertOk();

        Assert.Equal(
            """{"isSuccessful":false,"errors":[{"deviceId":"old","errorCode":409001,"errorStatus":"DeviceAlreadyExists"}],"warnings":[]}""",
            answer.Text);
        (await _hub.GetAsync("/devices/new")).AssertOk();
    }

    [Fact]
    public async Task When_nothing_was_applied_the_status_is_400_with_the_same_body()
    {
        (await _hub.PutAsync("/devices/old", "{}")).AssertOk();

        var answer = (await _hub.PostAsync("/devices", """[{"id":"old","importMode":"create"}]""")).AssertOk(400);

        Assert.Equal("409001", answer.Json["errors"]![0]!["errorCode"]!.ToString());
    }

    [Fact]
    [Conformance("service-rest", 11)]
    public async Task A_hundred_items_are_taken_and_101_are_not()
    {
        var items = Enumerable.Range(0, 101).Select(i => $$"""{"id":"d{{i}}","importMode":"create"}""").ToArray();

        (await _hub.PostAsync("/devices", $"[{string.Join(',', items)}]")).AssertRefused(413, "TooManyDevices");
        (await _hub.PostAsync("/devices", $"[{string.Join(',', items[..100])}]")).AssertOk();
        (await _hub.PostAsync("/devices", "[]")).AssertRefused(400, "ArgumentInvalid");
        (await _hub.PostAsync("/devices", "{}")).AssertRefused(400, "IotHubFormatError");
    }

    [Fact]
    [Conformance("service-rest", 11)]
    public async Task An_id_twice_is_400011_for_that_id()
    {
        var answer = (await _hub.PostAsync("/devices", """[{"id":"a","importMode":"create"},{"id":"a","importMode":"create"}]""")).AssertOk(400);

        var error = Assert.Single(answer.Json["errors"]!.AsArray())!;
        Assert.Equal(("a", "400011"), (error["deviceId"]!.ToString(), error["errorCode"]!.ToString()));
    }

    [Fact]
    public async Task Bad_items_are_named_one_by_one()
    {
        var answer = (await _hub.PostAsync(
            "/devices",
            """
            [{"id":"good","importMode":"create"},{"id":"a b","importMode":"create"},{"importMode":"create"},null,
             {"id":"m","importMode":"nonsense"},{"id":"s","importMode":"create","status":"on"},
             {"id":"t","importMode":"create","tags":{"site":"north"}},{"id":"u","importMode":"updateTwin","tags":{"site":"north"}},
             {"id":"empty","importMode":"create","tags":{},"properties":{"desired":{},"reported":{}}},
             {"id":"good","moduleId":"m1","importMode":"create"},{"id":"nobody","moduleId":"m1","importMode":"create"}]
            """)).AssertOk();

        Assert.Equal(
            ["a b 400004", " 400004", " 400004", "m 400004", "s 400004", "nobody 404001", "u 404001"],
            answer.Json["errors"]!.AsArray().Select(error => $"{error!["deviceId"]} {error["errorCode"]}"));
        (await _hub.GetAsync("/devices/good/modules/m1")).AssertOk();
        (await _hub.GetAsync("/devices/empty")).AssertOk();
        Assert.Equal("north", (await _hub.GetAsync("/twins/t")).AssertOk().Json["tags"]!["site"]!.ToString());
    }
}
