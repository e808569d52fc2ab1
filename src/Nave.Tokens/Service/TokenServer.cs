using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Nave.Tokens.Service;

/// <summary>
/// The token service on the network: <c>POST /tokens</c> over TLS, health beside it, metrics on a loopback port of their
/// own. Connections, bodies, headers and times are bounded before anybody is asked anything.
/// </summary>
public sealed class TokenServer : IAsyncDisposable
{
    private const int MostConnections = 4096;
    private const int MostHeaderBytes = 16 << 10;

    private static readonly TimeSpan HandshakeTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan HeadersTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(8);

    private readonly WebApplication _app;

    private TokenServer(WebApplication app) => _app = app;

    /// <summary>The HTTPS port.</summary>
    public int HttpsPort { get; private init; }

    /// <summary>The metrics port; null where there is none.</summary>
    public int? MetricsPort { get; private init; }

    /// <summary>Opens the ports.</summary>
    /// <exception cref="IOException">A port cannot be had.</exception>
    public static async Task<TokenServer> StartAsync(
        TokenServerOptions options, TokenIssuer issuer, TokenMetrics metrics, TimeProvider time, CancellationToken stopping)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "Nave.Tokens" });
        builder.Logging.AddProvider(options.Log);
        builder.Services.AddRoutingCore();
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => Configure(kestrel, options));
        builder.Services.Configure<Microsoft.Extensions.Hosting.HostOptions>(host => host.ShutdownTimeout = StopTimeout);

        var app = builder.Build();
        var endpoint = new TokenEndpoint(issuer, metrics, time, app.Services.GetRequiredService<ILogger<TokenEndpoint>>());
        app.UseRouting();
        app.MapPost("/tokens", endpoint.AnswerAsync);
        app.MapGet("/health/live", () => Results.Text("live"));
        app.MapGet("/health/ready", () => Results.Text("ready"));
        app.MapGet("/metrics", context => MetricsAsync(context, options));
        try
        {
            await app.StartAsync(stopping);
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }

        var ports = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Select(address => new Uri(address)).ToList();
        return new TokenServer(app)
        {
            HttpsPort = ports.First(uri => uri.Scheme == "https").Port,
            MetricsPort = ports.FirstOrDefault(uri => uri.Scheme == "http")?.Port,
        };
    }

    /// <summary>Lets requests end, then closes.</summary>
    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    private static void Configure(KestrelServerOptions kestrel, TokenServerOptions options)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestBodySize = TokenEndpoint.MostBodyBytes;
        kestrel.Limits.MaxRequestHeadersTotalSize = MostHeaderBytes;
        kestrel.Limits.MaxRequestLineSize = 2048;
        kestrel.Limits.MaxConcurrentConnections = MostConnections;
        kestrel.Limits.RequestHeadersTimeout = HeadersTimeout;
        kestrel.Limits.KeepAliveTimeout = KeepAlive;
        kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(240, TimeSpan.FromSeconds(5));
        kestrel.Listen(options.Address, options.HttpsPort, listener =>
        {
            listener.Protocols = HttpProtocols.Http1;
            listener.UseHttps(new TlsHandshakeCallbackOptions
            {
                HandshakeTimeout = HandshakeTimeout,
                OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions
                {
                    ServerCertificateContext = options.Certificate(),
                    EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                    AllowRenegotiation = false,
                }),
            });
        });
        if (options.MetricsPort is { } port)
        {
            kestrel.Listen(IPAddress.IsLoopback(options.Address) ? options.Address : IPAddress.Loopback, port, listener => listener.Protocols = HttpProtocols.Http1);
        }
    }

    // Only on the plain loopback port; and that one serves nothing else worth having.
    private static Task MetricsAsync(HttpContext context, TokenServerOptions options)
    {
        if (context.Request.IsHttps)
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return Task.CompletedTask;
        }

        context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        return context.Response.WriteAsync(options.MetricsPage());
    }
}
