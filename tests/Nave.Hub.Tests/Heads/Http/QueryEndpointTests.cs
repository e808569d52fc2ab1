using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Http;

/// <summary>Queries over REST (spec/service-rest.md 8).</summary>
public sealed class QueryEndpointTests
{
    [Fact]
    [Conformance("service-rest", 24)]
    public async Task A_page_says_what_it_is_and_how_it_goes_on()
    {
        await using var hub = await ServiceApiHarness.StartAsync();
        await AddAsync(hub, 3);

        using var first = await QueryAsync(hub, "SELECT * FROM devices", 2);
        using var second = await QueryAsync(hub, "SELECT * FROM devices", 2, first.Headers.GetValues("x-ms-continuation").Single());

        Assert.Equal("Twin", first.Headers.GetValues("x-ms-item-type").Single());
        Assert.Equal(["d0", "d1"], await IdsAsync(first));
        Assert.Equal(["d2"], await IdsAsync(second));
        Assert.False(second.Headers.Contains("x-ms-continuation"));
        Assert.Equal("application/json; charset=utf-8", first.Content.Headers.ContentType?.ToString());
    }

    [Fact]
    [Conformance("service-rest", 25)]
    public async Task A_projection_is_raw()
    {
        await using var hub = await ServiceApiHarness.StartAsync();
        await AddAsync(hub, 2);

        using var answer = await QueryAsync(hub, "SELECT deviceId FROM devices");

        Assert.Equal("Raw", answer.Headers.GetValues("x-ms-item-type").Single());
        Assert.Equal("""[{"deviceId":"d0"},{"deviceId":"d1"}]""", await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_result_without_rows_is_an_empty_array()
    {
        await using var hub = await ServiceApiHarness.StartAsync();

        using var answer = await QueryAsync(hub, "SELECT * FROM devices.modules", 5000);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("[]", await answer.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData("""{"query":"SELECT * FRM devices"}""", 400, "ArgumentInvalid")]
    [InlineData("""{"query":""}""", 400, "ArgumentNull")]
    [InlineData("{}", 400, "ArgumentNull")]
    [InlineData("[]", 400, "IotHubFormatError")]
    public async Task A_bad_request_is_refused(string body, int status, string code)
    {
        await using var hub = await ServiceApiHarness.StartAsync();

        (await hub.PostAsync("/devices/query", body)).AssertRefused(status, code);
    }

    [Fact]
    public async Task A_broken_query_is_told_where_it_is_broken()
    {
        await using var hub = await ServiceApiHarness.StartAsync();

        var answer = await hub.PostAsync("/devices/query", """{"query":"SELECT * FROM devices WHERE tags.a = "}""");

        answer.AssertRefused(400, "ArgumentInvalid");
        Assert.Equal(
            "ErrorCode:ArgumentInvalid;The query is invalid: expected a path, a literal, a function or '(' but found the end at line 1, column 38.",
            answer["Message"]);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("ten")]
    public async Task A_page_size_that_is_none_is_refused(string size)
    {
        await using var hub = await ServiceApiHarness.StartAsync();
        using var request = Request(hub, "SELECT * FROM devices", size, null);

        using var answer = await hub.Client.SendAsync(request);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    [Fact]
    public async Task Reading_the_registry_is_not_enough_to_query()
    {
        await using var hub = await ServiceApiHarness.StartAsync();

        (await hub.PostAsync("/devices/query", """{"query":"SELECT * FROM devices"}""", hub.Token("registryReadWrite")))
            .AssertRefused(401, "IotHubUnauthorizedAccess");
    }

    private static async Task AddAsync(ServiceApiHarness hub, int count)
    {
        for (var i = 0; i < count; i++)
        {
            (await hub.PutAsync($"/devices/d{i}", $$"""{"deviceId":"d{{i}}"}""")).AssertOk();
        }
    }

    private static async Task<HttpResponseMessage> QueryAsync(ServiceApiHarness hub, string query, int? size = null, string? continuation = null)
    {
        using var request = Request(hub, query, size?.ToString(), continuation);
        var answer = await hub.Client.SendAsync(request);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return answer;
    }

    private static HttpRequestMessage Request(ServiceApiHarness hub, string query, string? size, string? continuation)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, $"/devices/query?{ServiceApiHarness.Version}")
        {
            Content = JsonContent.Create(new JsonObject { ["query"] = query }),
        };
        request.Headers.TryAddWithoutValidation("Authorization", hub.Token());
        if (size is not null)
        {
            request.Headers.Add("x-ms-max-item-count", size);
        }

        if (continuation is not null)
        {
            request.Headers.Add("x-ms-continuation", continuation);
        }

        return request;
    }

    private static async Task<IEnumerable<string>> IdsAsync(HttpResponseMessage answer) =>
        JsonNode.Parse(await answer.Content.ReadAsStringAsync())!.AsArray().Select(row => row!["deviceId"]!.ToString());
}
