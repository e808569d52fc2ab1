using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Nave.Hub.Devices;
using Nave.Hub.Monitoring;

namespace Nave.Hub.Hosting;

/// <summary>
/// A running hub. Owns the data directory's lock, the log, the database and the ports, in that order, and gives them back
/// in the reverse one. Composes the features; knows no details of theirs.
/// </summary>
public sealed partial class HubHost : IAsyncDisposable
{
    /// <summary>A stop takes at most this long (design.md 3).</summary>
    public static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(10);

    // What is left of it after the connections have had their time: last commit, checkpoint, files.
    private static readonly TimeSpan ConnectionsTimeout = TimeSpan.FromSeconds(6);

    private readonly WebApplication _app;
    private readonly DataDirectory _data;
    private readonly HubHealth _health;
    private readonly ILogger<HubHost> _logger;
    private int _isStopped;

    private HubHost(WebApplication app, DataDirectory data, ConnectionFile connection)
    {
        _app = app;
        _data = data;
        _health = app.Services.GetRequiredService<HubHealth>();
        _logger = app.Services.GetRequiredService<ILogger<HubHost>>();
        Connection = connection;
    }

    /// <summary>How to reach it: what <c>connection.json</c> holds.</summary>
    public ConnectionFile Connection { get; }

    /// <summary>The data directory's absolute path.</summary>
    public string DataDirectory => _data.Root;

    internal IServiceProvider Services => _app.Services;

    /// <summary>Starts a hub; when this completes it is ready and <c>connection.json</c> is written.</summary>
    /// <exception cref="StartFailureException">It cannot start, for a reason that the message explains.</exception>
    public static async Task<HubHost> StartAsync(HubOptions options, HubSurroundings surroundings, CancellationToken stopping)
    {
        // 1. The data is ours, or nothing happens.
        var data = Hosting.DataDirectory.Open(options.Hub.DataDirectory, surroundings.Version, surroundings.Time);
        WebApplication? app = null;
        try
        {
            // A file of a former life would lead clients to a hub that is not there yet.
            ConnectionFile.Remove(data.Root);

            // 2. Everything is built, then the ports open.
            app = Build(options, surroundings, data);
            app.Services.GetRequiredService<WallClockWatch>();
            await app.StartAsync(stopping);

            // 3. Ready, and last of all the file that says so.
            app.Services.GetRequiredService<HubHealth>().Ready(log: null);
            var connection = Describe(options, surroundings, app.Services.GetRequiredService<Listeners>(), data);
            connection.Write(data.Root);
            var host = new HubHost(app, data, connection);
            Log.Started(host._logger, surroundings.Version, connection.HostName, data.Root);
            return host;
        }
        catch
        {
            if (app is not null)
            {
                await app.DisposeAsync();
            }

            data.Dispose();
            throw;
        }
    }

    /// <summary>Stops cleanly, within <see cref="StopTimeout"/>. Idempotent.</summary>
    public async Task StopAsync()
    {
        if (Interlocked.Exchange(ref _isStopped, 1) != 0)
        {
            return;
        }

        Log.Stopping(_logger);
        _health.Stopping();
        using (var deadline = new CancellationTokenSource(ConnectionsTimeout))
        {
            await _app.StopAsync(deadline.Token);
        }

        ConnectionFile.Remove(_data.Root);
        Log.Stopped(_logger);
        await _app.DisposeAsync();
        _data.Dispose();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await StopAsync();

    private static WebApplication Build(HubOptions options, HubSurroundings surroundings, DataDirectory data)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ContentRootPath = data.Root });
        builder.Logging.AddProvider(surroundings.Log).SetMinimumLevel(LogLevel.Trace);
        var services = builder.Services;
        services.AddSingleton(options);
        services.AddSingleton(surroundings);
        services.AddSingleton(surroundings.Time);
        services.AddSingleton(new NodeIncarnation(NewId()));
        services.AddSingleton<HubMetrics>();
        services.AddSingleton<PrometheusPage>();
        services.AddSingleton<HubHealth>();
        services.AddSingleton<WallClockWatch>();
        services.AddSingleton<Listeners>();
        services.AddRoutingCore();
        services.AddSingleton<IConfigureOptions<KestrelServerOptions>, ConfigureKestrel>();
        services.AddOptions<SocketTransportOptions>().Configure<Listeners>((transport, listeners) => listeners.Configure(transport));
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration();

        var app = builder.Build();
        app.UseRouting();
        HealthEndpoints.Map(app);
        return app;
    }

    private static ConnectionFile Describe(HubOptions options, HubSurroundings surroundings, Listeners listeners, DataDirectory data)
    {
        var names = HostNames.Of(options.Hub.HostNames, options.Listen.Address, surroundings.MachineName);
        return new ConnectionFile
        {
            HostName = names[0],
            ProcessId = Environment.ProcessId,
            CaCertificate = data.PathOf("certs/ca.pem"),
            Policies = new Dictionary<string, string>(),
            Events = "",
            Ports = new ConnectionPorts
            {
                Mqtts = listeners.NumberOf(HubPort.Mqtts) ?? 0,
                Amqps = listeners.NumberOf(HubPort.Amqps) ?? 0,
                Https = listeners.NumberOf(HubPort.Https) ?? 0,
                Operator = listeners.NumberOf(HubPort.Operator) ?? 0,
                Mqtt = listeners.NumberOf(HubPort.Mqtt),
                Amqp = listeners.NumberOf(HubPort.Amqp),
            },
        };
    }

    private static Guid NewId()
    {
        Span<byte> bytes = stackalloc byte[16];
        RandomNumberGenerator.Fill(bytes);
        return new Guid(bytes);
    }

    private static partial class Log
    {
        [LoggerMessage(1501, LogLevel.Information, "Nave {Version} is ready as {HostName}, data in {DataDirectory}")]
        public static partial void Started(ILogger logger, string version, string hostName, string dataDirectory);

        [LoggerMessage(1502, LogLevel.Information, "Stopping")]
        public static partial void Stopping(ILogger logger);

        [LoggerMessage(1503, LogLevel.Information, "Stopped")]
        public static partial void Stopped(ILogger logger);
    }
}
