using System.Net;
using System.Net.Http.Headers;
using Nave.Hub.Hosting;
using Nave.Hub.Telemetry;
using Nave.Hub.Tests.Harness;

namespace Nave.Hub.Tests.Hosting;

/// <summary>Consumer groups on the operator port: what is made there is what readers may use.</summary>
public sealed class ConsumerGroupEndpointsTests : IAsyncLifetime
{
    private TestHub _hub = null!;
    private HttpClient _http = null!;

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _hub = await TestHub.StartAsync();
        _http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{_hub.Connection.Ports.Operator}/$nave/v1/") };
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _hub.DisposeAsync();
    }

    [Fact]
    public async Task A_group_is_made_listed_and_deleted()
    {
        Authorize();

        var created = await _http.PutAsync("consumer-groups/Billing", null, Stopping);
        Assert.Equal(HttpStatusCode.OK, created.StatusCode);
        Assert.Equal("""["$Default","Billing"]""", await _http.GetStringAsync("consumer-groups", Stopping));
        Assert.True(_hub.Get<ConsumerGroups>().Contains("billing"));

        Assert.Equal(HttpStatusCode.NoContent, (await _http.DeleteAsync("consumer-groups/billing", Stopping)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await _http.DeleteAsync("consumer-groups/billing", Stopping)).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await _http.DeleteAsync("consumer-groups/$Default", Stopping)).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await _http.PutAsync("consumer-groups/a%20b", null, Stopping)).StatusCode);
    }

    [Fact]
    public async Task Nobody_gets_there_without_the_operators_credential()
    {
        Assert.Equal(HttpStatusCode.Unauthorized, (await _http.GetAsync("consumer-groups", Stopping)).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _http.PutAsync("consumer-groups/a", null, Stopping)).StatusCode);
        Assert.False(_hub.Get<ConsumerGroups>().Contains("a"));
    }

    private void Authorize() =>
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", OperatorFile.Find(_hub.Host.DataDirectory)!.Token);
}
