using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Nave.Hub.Hosting;
using Nave.Hub.Telemetry;
using Nave.Hub.Tests.Harness;

namespace Nave.Hub.Tests.Hosting;

public sealed class OperatorPortTests : IAsyncLifetime
{
    private TestHub _hub = null!; // Set before each test.
    private HttpClient _http = null!;

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _hub = await TestHub.StartAsync();
        _http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{_hub.Connection.Ports.Operator}/") };
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _hub.DisposeAsync();
    }

    [Fact]
    public async Task Operator_functions_need_the_operators_credential_and_no_policy_stands_in_for_it()
    {
        var owner = _hub.Connection.Policies["iothubowner"].Split("SharedAccessKey=")[1];

        Assert.Equal(HttpStatusCode.Unauthorized, (await _http.GetAsync("$nave/v1/policies", Stopping)).StatusCode);
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", owner);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _http.GetAsync("$nave/v1/policies", Stopping)).StatusCode);
        Authorize();
        Assert.Equal(HttpStatusCode.OK, (await _http.GetAsync("$nave/v1/policies", Stopping)).StatusCode);
    }

    [Fact]
    public async Task Every_use_is_an_audit_event_and_a_strangers_try_is_not()
    {
        await _http.GetAsync("$nave/v1/policies", Stopping);
        Authorize();
        await _http.GetAsync("$nave/v1/policies", Stopping);

        var lines = _hub.Log.Lines.Where(line => line.Category.EndsWith("OperatorGate", StringComparison.Ordinal)).ToList();
        Assert.Equal([LogLevel.Debug, LogLevel.Information], lines.Select(line => line.Level));
        Assert.Contains("GET /$nave/v1/policies from 127.0.0.1 answered 200", lines[1].Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Credential().Token, string.Concat(_hub.Log.Lines.Select(line => line.Message)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Metrics_are_open_here_and_absent_on_the_service_port()
    {
        Assert.Contains("nave_connections{port=\"operator\"} 1", await _http.GetStringAsync("metrics", Stopping), StringComparison.Ordinal);

        using var https = new HttpClient(new HttpClientHandler { ServerCertificateCustomValidationCallback = (_, _, _, _) => true });
        var service = $"https://127.0.0.1:{_hub.Connection.Ports.Https}/";
        Assert.Equal(HttpStatusCode.NotFound, (await https.GetAsync(service + "metrics", Stopping)).StatusCode);
        https.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Credential().Token);
        Assert.Equal(HttpStatusCode.NotFound, (await https.GetAsync(service + "$nave/v1/policies", Stopping)).StatusCode);
    }

    [Fact]
    public async Task A_policy_is_made_narrowed_rolled_and_deleted()
    {
        Authorize();
        var created = await PutAsync("$nave/v1/policies/gateway", """{"rights":"DeviceConnect","devicePattern":"a-*","addresses":["10.0.0.0/8","127.0.0.1"]}""");
        Assert.Equal(HttpStatusCode.Created, created.Status);
        Assert.Equal("a-*", created.Body.GetProperty("devicePattern").GetString());

        var rolled = await _http.PostAsJsonAsync("$nave/v1/policies/gateway/roll", new { key = "primary" }, Stopping);
        var after = await rolled.Content.ReadFromJsonAsync<JsonElement>(Stopping);
        Assert.NotEqual(created.Body.GetProperty("primaryKey").GetString(), after.GetProperty("primaryKey").GetString());
        Assert.Equal(created.Body.GetProperty("secondaryKey").GetString(), after.GetProperty("secondaryKey").GetString());

        var changed = await _http.PatchAsJsonAsync("$nave/v1/policies/gateway", new { devicePattern = (string?)null }, Stopping);
        var wide = await changed.Content.ReadFromJsonAsync<JsonElement>(Stopping);
        Assert.Equal(JsonValueKind.Null, wide.GetProperty("devicePattern").ValueKind);
        Assert.Equal(2, wide.GetProperty("addresses").GetArrayLength());

        Assert.Equal(HttpStatusCode.NoContent, (await _http.DeleteAsync("$nave/v1/policies/gateway", Stopping)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await _http.GetAsync("$nave/v1/policies/gateway", Stopping)).StatusCode);
    }

    [Fact]
    public async Task Consumer_groups_are_made_and_deleted_and_outlive_a_restart()
    {
        using var directory = new TempDirectory();
        await using (var first = await TestHub.StartAsync(o => o.Seed = new HubSeed { ConsumerGroups = ["reports"] }, dataDirectory: directory.Path))
        {
            Assert.Equal(["$Default", "reports"], first.Get<ConsumerGroups>().Names);
            var store = first.Get<ConsumerGroupStore>();
            Assert.Null(await store.CreateAsync("Alarms", Stopping));
            Assert.Null(await store.DeleteAsync("REPORTS", Stopping));
            Assert.NotNull(await store.DeleteAsync("$default", Stopping));
            Assert.NotNull(await store.CreateAsync("a/b", Stopping));
        }

        await using var again = await TestHub.StartAsync(dataDirectory: directory.Path);
        Assert.Equal(["$Default", "Alarms"], again.Get<ConsumerGroups>().Names);
    }

    [Theory]
    [InlineData("""{"rights":"Everything"}""")]
    [InlineData("""{"rights":"DeviceConnect","addresses":["here"]}""")]
    [InlineData("""{"rights":"DeviceConnect","primaryKey":"c2hvcnQ="}""")]
    [InlineData("[]")]
    [InlineData("{")]
    public async Task What_is_no_policy_is_refused_with_a_reason(string body)
    {
        Authorize();

        var answer = await PutAsync("$nave/v1/policies/gateway", body);

        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.NotEmpty(answer.Body.GetProperty("message").GetString()!);
    }

    [Fact]
    public async Task The_credential_outlives_a_restart()
    {
        using var directory = new TempDirectory();
        string first;
        await using (await TestHub.StartAsync(dataDirectory: directory.Path))
        {
            first = OperatorFile.Find(directory.Path)!.Token;
        }

        await using var again = await TestHub.StartAsync(dataDirectory: directory.Path);
        Assert.Equal(first, OperatorFile.Find(directory.Path)!.Token);
    }

    private OperatorFile Credential() => OperatorFile.Find(_hub.Host.DataDirectory)!;

    private void Authorize() => _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Credential().Token);

    private async Task<(HttpStatusCode Status, JsonElement Body)> PutAsync(string path, string body)
    {
        using var content = new StringContent(body, System.Text.Encoding.UTF8, "application/json");
        using var answer = await _http.PutAsync(path, content, Stopping);
        return (answer.StatusCode, await answer.Content.ReadFromJsonAsync<JsonElement>(Stopping));
    }
}
