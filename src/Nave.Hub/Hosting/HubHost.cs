using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Nave.Hub.Devices;
using Nave.Hub.Heads.Amqp;
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
    private readonly HubStores _stores;
    private readonly HubHealth _health;
    private readonly ILogger<HubHost> _logger;
    private int _isStopped;

    private HubHost(WebApplication app, HubStores stores, ConnectionFile connection)
    {
        _app = app;
        _stores = stores;
        _health = app.Services.GetRequiredService<HubHealth>();
        _logger = app.Services.GetRequiredService<ILogger<HubHost>>();
        Connection = connection;
    }

    /// <summary>How to reach it: what <c>connection.json</c> holds.</summary>
    public ConnectionFile Connection { get; }

    /// <summary>The data directory's absolute path.</summary>
    public string DataDirectory => _stores.Data.Root;

    internal IServiceProvider Services => _app.Services;

    /// <summary>Starts a hub; when this completes it is ready and <c>connection.json</c> is written.</summary>
    /// <exception cref="StartFailureException">It cannot start, for a reason that the message explains.</exception>
    public static async Task<HubHost> StartAsync(HubOptions options, HubSurroundings surroundings, CancellationToken stopping)
    {
        // 1. The data is ours, or nothing happens; what is in it is whole.
        var stores = await HubStores.OpenAsync(options, surroundings, stopping);
        WebApplication? app = null;
        try
        {
            // 2. Everything is put together; who may come in is known before a door opens.
            app = HubComposition.Build(options, surroundings, stores);
            await HubComposition.LoadAsync(app.Services, options, stopping);

            // 3. The ports.
            await app.StartAsync(stopping);

            // 4. Ready, and last of all the file that says so.
            app.Services.GetRequiredService<HubHealth>().Ready(stores.Log);
            var connection = HubDescription.Write(app.Services, stores.Data);
            var host = new HubHost(app, stores, connection);
            Log.Started(host._logger, surroundings.Version, connection.HostName, stores.Data.Root);
            return host;
        }
        catch
        {
            if (app is not null)
            {
                // Told to stop first: what runs in the background would take a mere disposal for a failure.
                await app.StopAsync(CancellationToken.None);
                await app.DisposeAsync();
            }

            await stores.DisposeAsync();
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

        // Order (design.md 3): not ready; no new connections, no more reading; last commit and its acknowledgements, the
        // goodbyes of each protocol; checkpoint and clean mark; connection.json; lock.
        Log.Stopping(_logger);
        _health.Stopping();
        using (var deadline = new CancellationTokenSource(ConnectionsTimeout))
        {
            // Announced first: who connects from here on is refused, and the heads let nothing in any more.
            _app.Lifetime.StopApplication();
            Services.GetRequiredService<DeviceSessions>().CloseAll(CloseReason.HubStopping);
            Services.GetRequiredService<AmqpHead>().Stop();
            await _app.StopAsync(deadline.Token);
        }

        await _app.DisposeAsync();
        await _stores.CloseAsync();
        ConnectionFile.Remove(_stores.Data.Root);
        Log.Stopped(_logger);
        await _stores.DisposeAsync();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await StopAsync();

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
