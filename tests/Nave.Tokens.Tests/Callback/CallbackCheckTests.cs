using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Nave.Tokens.Callback;
using Nave.Tokens.Checks;
using Nave.Tokens.Tests.Harness;

namespace Nave.Tokens.Tests.Callback;

public sealed class CallbackCheckTests
{
    private static readonly Uri Url = new("https://identity.example/check");

    private readonly FakeTimeProvider _time = new();

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_service_is_asked_with_what_was_shown_and_decides()
    {
        var asked = "";
        var http = new StubHttp(async (request, _) =>
        {
            asked = $"{request.Headers.Authorization} {await request.Content!.ReadAsStringAsync(Stopping)}";
            return StubHttp.Json("{\"deviceId\":\"dev1\"}");
        });

        var granted = Assert.IsType<CheckResult.Granted>(await AskAsync(Open(http, "Bearer key")));

        Assert.Equal("dev1", granted.Device.Value);
        Assert.Equal("Bearer key {\"identity\":\"pump\",\"secret\":\"s3cret\",\"address\":\"192.0.2.1\"}", asked);
    }

    [Theory]
    [InlineData(401)]
    [InlineData(403)]
    [InlineData(404)]
    public async Task A_refusal_is_a_refusal(int status) =>
        Assert.IsType<CheckResult.Refused>(await AskAsync(Open(StubHttp.Of(() => StubHttp.Json("{}", (HttpStatusCode)status)))));

    [Theory]
    [InlineData(200, "{}")]
    [InlineData(200, "{\"deviceId\":\"a/b\"}")]
    [InlineData(200, "{\"deviceId\":\"a\",\"deviceId\":\"b\"}")]
    [InlineData(200, "[]")]
    [InlineData(200, "ok")]
    [InlineData(204, "")]
    [InlineData(302, "{\"deviceId\":\"dev1\"}")]
    [InlineData(500, "{\"deviceId\":\"dev1\"}")]
    public async Task Anything_else_lets_nobody_in(int status, string body) =>
        Assert.IsType<CheckResult.Unavailable>(await AskAsync(Open(StubHttp.Of(() => StubHttp.Json(body, (HttpStatusCode)status)))));

    [Fact]
    public async Task An_answer_without_end_lets_nobody_in() =>
        Assert.IsType<CheckResult.Unavailable>(await AskAsync(Open(StubHttp.Of(() => StubHttp.Json("{\"deviceId\":\"dev1\"}" + new string(' ', 20_000))))));

    [Fact]
    public async Task No_answer_within_three_seconds_is_none()
    {
        var isAsked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var http = new StubHttp(async (_, deadline) =>
        {
            isAsked.SetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, deadline);
            throw new InvalidOperationException();
        });

        var answer = AskAsync(Open(http));
        await isAsked.Task;
        _time.Advance(TimeSpan.FromSeconds(2.9));
        Assert.False(answer.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(0.1));

        Assert.Contains("3 s", Assert.IsType<CheckResult.Unavailable>(await answer.WaitAsync(TimeSpan.FromSeconds(30), Stopping)).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_service_that_fails_is_left_alone_and_tried_again_with_one_request()
    {
        var works = false;
        var http = StubHttp.Of(() => works ? StubHttp.Json("{\"deviceId\":\"dev1\"}") : StubHttp.Json("", HttpStatusCode.InternalServerError));
        var check = Open(http);
        for (var i = 0; i < 20; i++)
        {
            Assert.IsType<CheckResult.Unavailable>(await AskAsync(check));
        }

        Assert.Equal(5, http.Count);

        _time.Advance(TimeSpan.FromSeconds(10));
        await AskAsync(check);
        await AskAsync(check);
        Assert.Equal(6, http.Count);

        works = true;
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.IsType<CheckResult.Granted>(await AskAsync(check));
        Assert.IsType<CheckResult.Granted>(await AskAsync(check));
    }

    [Fact]
    public void A_callback_without_TLS_is_refused() => Assert.Throws<ArgumentException>(
        () => new CallbackCheck(new Uri("http://identity.example/"), new HttpClient(), null, _time, NullLogger<CallbackCheck>.Instance));

    [Fact]
    public async Task A_certificate_that_is_not_trusted_and_a_redirect_let_nobody_in()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=identity", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listener => listener.UseHttps(certificate)));
        builder.Services.AddSingleton<Microsoft.Extensions.Logging.ILoggerFactory>(NullLoggerFactory.Instance);
        await using var app = builder.Build();
        app.MapPost("/check", () => Results.Text("{\"deviceId\":\"dev1\"}"));
        app.MapPost("/moved", () => Results.Redirect("/check", preserveMethod: true));
        await app.StartAsync(Stopping);
        var root = new Uri(app.Urls.First());

        var trusted = new SslClientAuthenticationOptions { CertificateChainPolicy = Trusting(certificate) };
        Assert.IsType<CheckResult.Granted>(await AskAsync(Open(new Uri(root, "check"), trusted)));
        Assert.IsType<CheckResult.Unavailable>(await AskAsync(Open(new Uri(root, "moved"), trusted)));
        Assert.IsType<CheckResult.Unavailable>(await AskAsync(Open(new Uri(root, "check"), new SslClientAuthenticationOptions())));
    }

    private static X509ChainPolicy Trusting(X509Certificate2 certificate)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.Add(certificate);
        return policy;
    }

    private CallbackCheck Open(StubHttp http, string? authorization = null) =>
        new(Url, http.Client, authorization, _time, NullLogger<CallbackCheck>.Instance);

    private CallbackCheck Open(Uri url, SslClientAuthenticationOptions tls) =>
        new(url, OutboundHttp.Create(tls), null, _time, NullLogger<CallbackCheck>.Instance);

    private static async Task<CheckResult> AskAsync(CallbackCheck check) =>
        await check.CheckAsync(PresentedCredential.OfSecret("pump", "s3cret"), TokenDesk.Home, Stopping);
}
