using System.Text.Json.Nodes;
using Nave.Hub.Devices;
using Nave.Protocol.Identities;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Http;

/// <summary>Devices over REST, as the SDKs send and read them.</summary>
public sealed class DeviceEndpointsTests : IAsyncLifetime
{
    private const string KeyA = ServiceApiHarness.KeyA;
    private const string KeyB = ServiceApiHarness.KeyB;

    // As .NET AddDeviceAsync sends it (spec/service-rest.md 4.1): every read-only field with its default.
    private const string DotNetBody = """
        {"deviceId":"dev#1","generationId":null,"etag":null,"connectionState":"Disconnected","status":"enabled","statusReason":null,
         "connectionStateUpdatedTime":"0001-01-01T00:00:00","statusUpdatedTime":"0001-01-01T00:00:00","lastActivityTime":"0001-01-01T00:00:00",
         "cloudToDeviceMessageCount":0,"authentication":{"symmetricKey":{"primaryKey":null,"secondaryKey":null},
         "x509Thumbprint":{"primaryThumbprint":null,"secondaryThumbprint":null},"type":"sas"},"capabilities":{"iotEdge":false},"deviceScope":null}
        """;

    private ServiceApiHarness _hub = null!;

    public async ValueTask InitializeAsync() => _hub = await ServiceApiHarness.StartAsync();

    public ValueTask DisposeAsync() => _hub.DisposeAsync();

    [Fact]
    [Conformance("service-rest", 1)]
    public async Task A_device_is_shown_with_every_member_of_the_service()
    {
        var created = (await _hub.PutAsync("/devices/pump-7", """{"deviceId":"pump-7"}""")).AssertOk();
        var read = (await _hub.GetAsync("/devices/pump-7")).AssertOk();

        Assert.Equal("application/json; charset=utf-8", read.ContentType);
        Assert.Equal($"\"{read["etag"]}\"", read.ETag);
        Assert.Equal(created.Text, read.Text);
        var shape = JsonNode.Parse(read.Text)!.AsObject();
        Assert.Equal(
            [
                "deviceId", "generationId", "etag", "connectionState", "status", "statusReason", "connectionStateUpdatedTime",
                "statusUpdatedTime", "lastActivityTime", "cloudToDeviceMessageCount", "authentication", "capabilities",
            ],
            shape.Select(member => member.Key));
        Assert.Equal(
            ("pump-7", "Disconnected", "enabled", null, "0001-01-01T00:00:00", "0001-01-01T00:00:00", "0001-01-01T00:00:00", "0"),
            (read["deviceId"], read["connectionState"], read["status"], read["statusReason"], read["connectionStateUpdatedTime"],
                read["statusUpdatedTime"], read["lastActivityTime"], read["cloudToDeviceMessageCount"]));
        Assert.Equal("""{"iotEdge":false}""", shape["capabilities"]!.ToJsonString());
        Assert.Equal("""{"primaryThumbprint":null,"secondaryThumbprint":null}""", shape["authentication"]!["x509Thumbprint"]!.ToJsonString());
        Assert.Equal("sas", shape["authentication"]!["type"]!.ToString());
        Assert.Equal(44, shape["authentication"]!["symmetricKey"]!["primaryKey"]!.ToString().Length);
    }

    [Fact]
    [Conformance("service-rest", 2)]
    public async Task A_second_create_is_refused_with_409()
    {
        (await _hub.PutAsync("/devices/x", "{}")).AssertOk();

        (await _hub.PutAsync("/devices/x", "{}")).AssertRefused(409, "DeviceAlreadyExists");
    }

    [Fact]
    [Conformance("service-rest", 3)]
    public async Task If_match_decides_between_force_match_and_refusal()
    {
        var first = (await _hub.PutAsync("/devices/x", "{}")).AssertOk();

        (await _hub.PutAsync("/devices/x", "{}", "\"*\"")).AssertOk();
        (await _hub.PutAsync("/devices/x", "{}", first.ETag)).AssertRefused(412, "PreconditionFailed");
        var now = (await _hub.PutAsync("/devices/x", "{}", "*")).AssertOk();
        (await _hub.PutAsync("/devices/x", "{}", now["etag"])).AssertOk(); // Bare, as Azure IoT Explorer may send it.
        (await _hub.PutAsync("/devices/nobody", "{}", "\"*\"")).AssertRefused(404, "DeviceNotFound");
    }

    [Theory]
    [InlineData("""{"authentication":{"symmetricKey":{"primaryKey":"","secondaryKey":""}}}""")]
    [InlineData("""{"authentication":{"symmetricKey":{"primaryKey":null,"secondaryKey":null}}}""")]
    [InlineData("""{"authentication":{"type":"sas"}}""")]
    [InlineData("{}")]
    [Conformance("service-rest", 4)]
    public async Task Keys_are_generated_when_none_are_given(string body)
    {
        var keys = (await _hub.PutAsync("/devices/x", body)).AssertOk().Json["authentication"]!["symmetricKey"]!;

        var (primary, secondary) = (Convert.FromBase64String(keys["primaryKey"]!.ToString()), Convert.FromBase64String(keys["secondaryKey"]!.ToString()));
        Assert.Equal((32, 32), (primary.Length, secondary.Length));
        Assert.NotEqual(primary, secondary);
    }

    [Fact]
    [Conformance("service-rest", 5)]
    public async Task One_key_alone_is_refused() => (await _hub.PutAsync(
        "/devices/x", $$"""{"authentication":{"symmetricKey":{"primaryKey":"{{KeyA}}","secondaryKey":""} } }""")).AssertRefused(400, "ArgumentInvalid");

    [Fact]
    [Conformance("service-rest", 6)]
    public async Task An_id_is_decoded_exactly_once_and_what_dotnet_sends_beside_it_is_ignored()
    {
        var created = (await _hub.PutAsync("/devices/dev%231", DotNetBody)).AssertOk();

        Assert.Equal("dev#1", created["deviceId"]);
        Assert.NotEqual("", created["generationId"]);
        (await _hub.GetAsync("/devices/dev%231")).AssertOk();
    }

    [Theory]
    [InlineData("a%2525", "a%25")]
    [InlineData("a%252Fb", "a%2Fb")]
    [InlineData("a+b", "a+b")]
    [InlineData("a%2Bb", "a+b")]
    [InlineData("%40%3D%3F%3B%24", "@=?;$")]
    [InlineData("query", "query")]
    [InlineData("..a", "..a")]
    [InlineData("%5F*!()'", "_*!()'")]
    [Conformance("service-rest", 6)]
    public async Task Ids_come_through_as_they_are(string sent, string id)
    {
        var created = (await _hub.PutAsync($"/devices/{sent}", "{}")).AssertOk();

        Assert.Equal(id, created["deviceId"]);
        Assert.Equal(id, (await _hub.GetAsync($"/devices/{sent}")).AssertOk()["deviceId"]);
        (await _hub.DeleteAsync($"/devices/{sent}")).AssertOk(204);
    }

    [Theory]
    [InlineData("a%20b")]
    [InlineData("%C3%A4")]
    [InlineData("a%22b")]
    [InlineData("a%ZZ%5C")]
    public async Task An_id_with_other_characters_is_refused(string sent) =>
        (await _hub.PutAsync($"/devices/{sent}", "{}")).AssertRefused(400, "ArgumentInvalid");

    [Fact]
    public async Task An_id_over_128_characters_is_refused()
    {
        (await _hub.PutAsync($"/devices/{new string('x', 128)}", "{}")).AssertOk();
        (await _hub.PutAsync($"/devices/{new string('x', 129)}", "{}")).AssertRefused(400, "ArgumentInvalid");
    }

    [Fact]
    public async Task The_body_must_name_the_paths_device() =>
        (await _hub.PutAsync("/devices/x", """{"deviceId":"X"}""")).AssertRefused(400, "ArgumentInvalid");

    [Fact]
    [Conformance("service-rest", 7)]
    public async Task An_unknown_device_is_404_with_its_code()
    {
        (await _hub.GetAsync("/devices/unknown")).AssertRefused(404, "DeviceNotFound");
        (await _hub.DeleteAsync("/devices/unknown")).AssertRefused(404, "DeviceNotFound");
    }

    [Fact]
    [Conformance("service-rest", 8)]
    public async Task Both_spellings_of_the_list_work_and_top_is_bounded()
    {
        for (var i = 0; i < 3; i++)
        {
            (await _hub.PutAsync($"/devices/d{i}", "{}")).AssertOk();
        }

        Assert.Equal(3, (await _hub.GetAsync("/devices/")).AssertOk().Json.AsArray().Count);
        Assert.Equal(2, (await _hub.GetAsync("/devices?top=2")).AssertOk().Json.AsArray().Count);
        Assert.Equal(2, (await _hub.GetAsync("/Devices/?top=2&x=y")).AssertOk().Json.AsArray().Count);
        foreach (var odd in new[] { "0", "-1", "5000", "abc", "99999999999999999999" })
        {
            Assert.Equal(3, (await _hub.GetAsync($"/devices?top={odd}")).AssertOk().Json.AsArray().Count);
        }
    }

    [Fact]
    [Conformance("service-rest", 8)]
    public async Task A_list_holds_a_thousand_at_most()
    {
        for (var batch = 0; batch < 11; batch++)
        {
            var items = string.Join(',', Enumerable.Range(0, 100).Select(i => $$"""{"id":"d{{batch}}-{{i}}","importMode":"create"}"""));
            (await _hub.PostAsync("/devices", $"[{items}]")).AssertOk();
        }

        Assert.Equal(1000, (await _hub.GetAsync("/devices?top=5000")).AssertOk().Json.AsArray().Count);
        Assert.Equal(1000, (await _hub.GetAsync("/devices/")).AssertOk().Json.AsArray().Count);
    }

    [Fact]
    [Conformance("service-rest", 12)]
    public async Task A_recreated_device_has_another_generation_and_other_keys()
    {
        var first = (await _hub.PutAsync("/devices/x", "{}")).AssertOk();
        (await _hub.DeleteAsync("/devices/x")).AssertOk(204);
        var second = (await _hub.PutAsync("/devices/x", "{}")).AssertOk();

        Assert.NotEqual(first["generationId"], second["generationId"]);
        Assert.NotEqual(first.Json["authentication"]!.ToJsonString(), second.Json["authentication"]!.ToJsonString());
    }

    [Fact]
    [Conformance("service-rest", 13)]
    public async Task A_deletion_answers_204_without_a_body()
    {
        (await _hub.PutAsync("/devices/x", "{}")).AssertOk();

        (await _hub.DeleteAsync("/devices/x", "\"stale\"")).AssertRefused(412, "PreconditionFailed");
        var deleted = (await _hub.DeleteAsync("/devices/x", ifMatch: null)).AssertOk(204);

        Assert.Equal("", deleted.Text);
        Assert.Null(deleted.ContentType);
    }

    [Fact]
    public async Task An_update_with_empty_keys_keeps_the_stored_ones()
    {
        var keys = $$"""{"symmetricKey":{"primaryKey":"{{KeyA}}","secondaryKey":"{{KeyB}}"},"type":"sas"}""";
        (await _hub.PutAsync("/devices/x", $$"""{"authentication":{{keys}} }""")).AssertOk();

        var updated = (await _hub.PutAsync(
            "/devices/x", """{"status":"DISABLED","statusReason":"broken","authentication":{"symmetricKey":{"primaryKey":"","secondaryKey":""}}}""", "*")).AssertOk();

        Assert.Equal((KeyA, KeyB), (
            updated.Json["authentication"]!["symmetricKey"]!["primaryKey"]!.ToString(),
            updated.Json["authentication"]!["symmetricKey"]!["secondaryKey"]!.ToString()));
        Assert.Equal(("disabled", "broken"), (updated["status"], updated["statusReason"]));
        Assert.NotEqual("0001-01-01T00:00:00", updated["statusUpdatedTime"]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("\"text\"")]
    [InlineData("""{"status":7}""")]
    [InlineData("""{"authentication":"sas"}""")]
    [InlineData("""{"capabilities":{"iotEdge":"yes"}}""")]
    [InlineData("{\"deviceId\":\"\u00ff\"")]
    public async Task A_body_that_is_no_device_is_refused(string body) =>
        (await _hub.PutAsync("/devices/x", body)).AssertRefused(400, "IotHubFormatError");

    [Fact]
    public async Task Deep_nesting_is_refused() => (await _hub.PutAsync(
        "/devices/x", $$"""{"x":{{new string('[', 5000)}}{{new string(']', 5000)}} }""")).AssertRefused(400, "IotHubFormatError");

    [Fact]
    public async Task A_body_over_the_limit_is_refused() => (await _hub.PutAsync(
        "/devices/x", $$"""{"x":"{{new string('x', 70_000)}}"}""")).AssertRefused(413, "MessageTooLarge");

    [Fact]
    public async Task An_unknown_status_is_refused() =>
        (await _hub.PutAsync("/devices/x", """{"status":"on"}""")).AssertRefused(400, "ArgumentInvalid");

    [Fact]
    public async Task Connection_state_and_times_come_from_presence()
    {
        (await _hub.PutAsync("/devices/x", "{}")).AssertOk();
        _hub.Presence.Connected(new IdentityId(DeviceId.Parse("x")), new SessionName(_hub.Node.Id, 1, long.MaxValue / 2), DeviceProtocol.Mqtt);

        var device = (await _hub.GetAsync("/devices/x")).AssertOk();
        var listed = (await _hub.GetAsync("/devices")).AssertOk().Json[0]!;

        Assert.Equal(("Connected", "Connected"), (device["connectionState"], listed["connectionState"]!.ToString()));
        Assert.Matches(@"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$", device["connectionStateUpdatedTime"]);
        Assert.Equal(device["connectionStateUpdatedTime"], device["lastActivityTime"]);
        Assert.Equal("""{"connectedDeviceCount":1}""", (await _hub.GetAsync("/statistics/service")).AssertOk().Text);
    }

    [Fact]
    public async Task Statistics_count_devices_by_status()
    {
        (await _hub.PutAsync("/devices/a", "{}")).AssertOk();
        (await _hub.PutAsync("/devices/b", """{"status":"disabled"}""")).AssertOk();
        (await _hub.PutAsync("/devices/a/modules/m", "{}")).AssertOk(201);

        Assert.Equal(
            """{"totalDeviceCount":2,"enabledDeviceCount":1,"disabledDeviceCount":1}""",
            (await _hub.GetAsync("/statistics/devices")).AssertOk().Text);
    }
}
