using System.Text.Json.Nodes;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Http;

/// <summary>spec/service-rest.md 7: what a back end gets when there is no device to answer.</summary>
public sealed class MethodEndpointsTests
{
    private const string Call = """{"methodName":"reboot","payload":{"delay":5}}""";

    [Theory]
    [InlineData("/twins/dev/methods", 0, "00:00:00")]
    [InlineData("/twins/dev/modules/mod/methods", 1, "00:00:01")]
    [Conformance("service-rest", 20)]
    public async Task An_offline_device_is_refused_in_shape_B_when_the_connect_timeout_is_over(string path, int connectTimeout, string shown)
    {
        await using var api = await StartAsync();

        var answer = await api.PostAsync(path, $$"""{"methodName":"m","connectTimeoutInSeconds":{{connectTimeout}}}""");

        answer.AssertOk(404);
        Assert.Equal("DeviceNotOnline", answer.ErrorCode);
        Assert.Contains("application/json", answer.ContentType, StringComparison.Ordinal);
        Assert.Equal("", answer["ExceptionMessage"]);
        var inner = JsonNode.Parse(answer["Message"]!)!;
        Assert.Equal(404103, (int)inner["errorCode"]!);
        Assert.Equal("Timed out waiting for device to connect.", (string?)inner["message"]);
        Assert.Equal(shown, (string?)inner["info"]!["timeout"]);
        Assert.Matches(@"^[0-9a-f]{32}-G:0-TimeStamp:\d\d/\d\d/\d{4} \d\d:\d\d:\d\d$", (string?)inner["trackingId"]);
        Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$", (string?)inner["timestampUtc"]);
    }

    [Fact]
    [Conformance("service-rest", 21)]
    public async Task An_unknown_device_is_refused_in_shape_A()
    {
        await using var api = await StartAsync();

        (await api.PostAsync("/twins/nobody/methods", Call)).AssertRefused(404, "DeviceNotFound");
        (await api.PostAsync("/twins/dev/modules/nobody/methods", Call)).AssertRefused(404, "ModuleNotFound");
    }

    [Theory]
    [InlineData("", "IotHubFormatError")]
    [InlineData("[]", "IotHubFormatError")]
    [InlineData("{", "IotHubFormatError")]
    [InlineData("{}", "ArgumentNull")]
    [InlineData("""{"methodName":null}""", "ArgumentNull")]
    [InlineData("""{"methodName":1}""", "ArgumentInvalid")]
    [InlineData("""{"methodName":"\ud800"}""", "ArgumentInvalid")]
    [InlineData("""{"methodName":"m","responseTimeoutInSeconds":"5"}""", "ArgumentInvalid")]
    [InlineData("""{"methodName":"m","responseTimeoutInSeconds":4}""", "ArgumentInvalid")]
    [InlineData("""{"methodName":"m","responseTimeoutInSeconds":301}""", "ArgumentInvalid")]
    [InlineData("""{"methodName":"m","connectTimeoutInSeconds":1.5}""", "ArgumentInvalid")]
    [InlineData("""{"methodName":"m","connectTimeoutInSeconds":301}""", "ArgumentInvalid")]
    public async Task A_body_that_is_no_call_is_refused(string body, string code)
    {
        await using var api = await StartAsync();

        (await api.PostAsync("/twins/dev/methods", body)).AssertRefused(400, code);
    }

    [Fact]
    public async Task Members_that_are_null_are_as_good_as_absent()
    {
        await using var api = await StartAsync();

        // As .NET and the Azure CLI may write it; refused only for the device that is not there.
        var answer = await api.PostAsync(
            "/twins/dev/methods", """{"methodName":"m","payload":null,"responseTimeoutInSeconds":null,"connectTimeoutInSeconds":null,"more":1}""");

        Assert.Equal("DeviceNotOnline", answer.ErrorCode);
    }

    [Fact]
    public async Task A_payload_over_128_KB_is_refused()
    {
        await using var api = await StartAsync();

        var fits = await api.PostAsync("/twins/dev/methods", $$"""{"methodName":"m","payload":"{{new string('a', 131_070)}}"}""");
        var tooLarge = await api.PostAsync("/twins/dev/methods", $$"""{"methodName":"m","payload":"{{new string('a', 131_071)}}"}""");
        var farTooLarge = await api.PostAsync("/twins/dev/methods", $$"""{"methodName":"m","payload":"{{new string('a', 500_000)}}"}""");

        Assert.Equal("DeviceNotOnline", fits.ErrorCode);
        tooLarge.AssertRefused(413, "MessageTooLarge");
        farTooLarge.AssertRefused(413, "MessageTooLarge");
    }

    [Fact]
    public async Task A_policy_without_ServiceConnect_calls_nothing()
    {
        await using var api = await StartAsync();

        (await api.PostAsync("/twins/dev/methods", Call, api.Token("registryReadWrite"))).AssertRefused(401, "IotHubUnauthorizedAccess");
    }

    private static async Task<ServiceApiHarness> StartAsync()
    {
        var api = await ServiceApiHarness.StartAsync();
        (await api.PutAsync("/devices/dev", """{"deviceId":"dev"}""")).AssertOk();
        (await api.PutAsync("/devices/dev/modules/mod", """{"deviceId":"dev","moduleId":"mod"}""")).AssertOk(201);
        return api;
    }
}
