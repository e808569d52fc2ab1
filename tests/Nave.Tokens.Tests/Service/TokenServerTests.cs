using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Nave.Tokens.Service;
using Nave.Tokens.Tests.Harness;

namespace Nave.Tokens.Tests.Service;

public sealed class TokenServerTests
{
    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_secret_is_answered_with_a_token_that_no_cache_keeps()
    {
        await using var desk = await TokenDesk.OpenAsync();
        var secret = await desk.AddAsync("pump", "dev1");
        await using var server = await ServeAsync(desk);

        using var answer = await PostAsync(server, JsonSerializer.Serialize(new { identity = "pump", secret, lifetimeSeconds = 60 }));
        using var body = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Stopping));

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.True(answer.Headers.CacheControl?.NoStore);
        Assert.Equal("dev1", body.RootElement.GetProperty("deviceId").GetString());
        Assert.Equal(desk.Time.GetUtcNow().AddSeconds(60), body.RootElement.GetProperty("expiresAt").GetDateTimeOffset());
    }

    [Theory]
    [InlineData("")]
    [InlineData("no json")]
    [InlineData("[]")]
    [InlineData("{\"identity\":\"pump\"}")]
    [InlineData("{\"identity\":\"pump\",\"secret\":5}")]
    [InlineData("{\"identity\":\"pump\",\"secret\":\"a\",\"secret\":\"b\"}")]
    [InlineData("{\"identity\":\"pump\",\"secret\":\"\\ud800\"}")]
    [InlineData("{\"identity\":\"pump\",\"secret\":\"a\",\"lifetimeSeconds\":-1}")]
    [InlineData("{\"identity\":\"pump\",\"secret\":\"a\",\"lifetimeSeconds\":\"1h\"}")]
    [InlineData("{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":1}}}}}")]
    public async Task What_is_no_request_is_told_so_and_not_judged(string body)
    {
        await using var desk = await TokenDesk.OpenAsync();
        await using var server = await ServeAsync(desk);

        using var answer = await PostAsync(server, body);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.DoesNotContain(desk.Log.Lines, line => line.Text.Contains("was refused by", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_body_over_the_limit_is_refused()
    {
        await using var desk = await TokenDesk.OpenAsync();
        await using var server = await ServeAsync(desk);

        using var answer = await PostAsync(server, $"{{\"identity\":\"pump\",\"secret\":\"{new string('a', 9000)}\"}}");

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode);
    }

    [Fact]
    public async Task A_token_of_the_hub_renews_nothing()
    {
        await using var desk = await TokenDesk.OpenAsync();
        var secret = await desk.AddAsync("pump", "dev1");
        var issued = Assert.IsType<IssueOutcome.Issued>(await desk.AskAsync("pump", secret));
        await using var server = await ServeAsync(desk);

        using var answer = await PostAsync(server, "{}", request => request.Headers.TryAddWithoutValidation("Authorization", issued.Token.Token));
        using var asBearer = await PostAsync(server, "", request => request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Uri.EscapeDataString(issued.Token.Token)));

        Assert.Equal((HttpStatusCode.BadRequest, HttpStatusCode.Unauthorized), (answer.StatusCode, asBearer.StatusCode));
    }

    [Fact]
    public async Task Wrong_and_unknown_read_the_same_and_the_next_is_told_to_wait()
    {
        await using var desk = await TokenDesk.OpenAsync();
        await desk.AddAsync("pump", "dev1");
        await using var server = await ServeAsync(desk);

        using var wrong = await PostAsync(server, "{\"identity\":\"pump\",\"secret\":\"nvs_x\"}");
        using var unknown = await PostAsync(server, "{\"identity\":\"nobody\",\"secret\":\"nvs_x\"}");
        using var again = await PostAsync(server, "{\"identity\":\"nobody\",\"secret\":\"nvs_x\"}");

        Assert.Equal(HttpStatusCode.Unauthorized, wrong.StatusCode);
        Assert.Equal((wrong.StatusCode, await wrong.Content.ReadAsStringAsync(Stopping)), (unknown.StatusCode, await unknown.Content.ReadAsStringAsync(Stopping)));
        Assert.Equal(HttpStatusCode.TooManyRequests, again.StatusCode);
        Assert.Equal(TimeSpan.FromSeconds(1), again.Headers.RetryAfter?.Delta);
    }

    [Fact]
    public async Task Metrics_are_on_the_plain_port_only_and_tokens_on_the_other_only()
    {
        await using var desk = await TokenDesk.OpenAsync();
        var secret = await desk.AddAsync("pump", "dev1");
        await using var server = await ServeAsync(desk);
        using var http = Client();

        var page = await http.GetStringAsync(new Uri($"http://127.0.0.1:{server.MetricsPort}/metrics"), Stopping);
        using var overTls = await http.GetAsync(new Uri($"https://127.0.0.1:{server.HttpsPort}/metrics"), Stopping);
        using var plain = await http.PostAsync(
            new Uri($"http://127.0.0.1:{server.MetricsPort}/tokens"), new StringContent(JsonSerializer.Serialize(new { identity = "pump", secret })), Stopping);

        Assert.Equal("the page", page);
        Assert.Equal((HttpStatusCode.NotFound, HttpStatusCode.NotFound), (overTls.StatusCode, plain.StatusCode));
    }

    private static Task<TokenServer> ServeAsync(TokenDesk desk)
    {
        var context = SslStreamCertificateContext.Create(Certificate(), null, offline: true);
        return TokenServer.StartAsync(
            new TokenServerOptions
            {
                Address = IPAddress.Loopback,
                HttpsPort = 0,
                MetricsPort = 0,
                Certificate = () => context,
                MetricsPage = () => "the page",
                Log = desk.Log,
            },
            desk.Issuer, desk.Metrics, TimeProvider.System, Stopping);
    }

    private static async Task<HttpResponseMessage> PostAsync(TokenServer server, string body, Action<HttpRequestMessage>? change = null)
    {
        using var http = Client();
        using var request = new HttpRequestMessage(HttpMethod.Post, $"https://127.0.0.1:{server.HttpsPort}/tokens") { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        change?.Invoke(request);
        return await http.SendAsync(request, Stopping);
    }

    // Whose certificate it is does not matter here.
    private static HttpClient Client() => new(new SocketsHttpHandler { SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = (_, server, _, _) => server is not null } });

    private static X509Certificate2 Certificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=tokens", key, HashAlgorithmName.SHA256);
        return request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
    }
}
