using Microsoft.Extensions.DependencyInjection;
using Nave.Hub.Hosting;

namespace Nave.Hub.Tests.Harness;

/// <summary>
/// The real hub in this process: a data directory of its own, free ports on 127.0.0.1, plain ports on. Disposing of it
/// stops the hub and fails the test if the hub logged an error that nobody expected.
/// </summary>
/// <example><code>await using var hub = await TestHub.StartAsync(o => o.Events.Partitions = 1);</code></example>
public sealed class TestHub : IAsyncDisposable
{
    private readonly TempDirectory? _directory;

    private TestHub(HubHost host, TestLog log, TempDirectory? directory)
    {
        Host = host;
        Log = log;
        _directory = directory;
    }

    /// <summary>The running hub.</summary>
    public HubHost Host { get; }

    /// <summary>What it logged.</summary>
    public TestLog Log { get; }

    /// <summary>Ports, connection strings and the authority's certificate.</summary>
    public ConnectionFile Connection => Host.Connection;

    /// <summary>The host name that its connection strings hold.</summary>
    public string HostName => Connection.HostName;

    /// <summary>One of the hub's own services.</summary>
    public T Get<T>()
        where T : notnull => Host.Services.GetRequiredService<T>();

    /// <summary>A client of its operator functions, with the credential.</summary>
    public HttpClient Operator()
    {
        var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{Connection.Ports.Operator}/$nave/v1/") };
        http.DefaultRequestHeaders.Authorization = new("Bearer", OperatorFile.Find(Host.DataDirectory)!.Token);
        return http;
    }

    /// <summary>Starts a hub.</summary>
    /// <param name="configure">Changes options after the harness has set its own.</param>
    /// <param name="time">A clock for the hub, or null for the real one.</param>
    /// <param name="dataDirectory">An existing data directory, kept afterwards; null for one of its own.</param>
    public static async Task<TestHub> StartAsync(
        Action<HubOptions>? configure = null, TimeProvider? time = null, string? dataDirectory = null)
    {
        var directory = dataDirectory is null ? new TempDirectory() : null;
        var options = new HubOptions();
        options.Hub.DataDirectory = dataDirectory ?? directory!.PathOf("data");
        options.Listen.MqttsPort = options.Listen.AmqpsPort = options.Listen.HttpsPort = options.Listen.OperatorPort = 0;
        options.Listen.MqttPort = options.Listen.AmqpPort = 0;
        options.Listen.Plain = true;
        configure?.Invoke(options);
        var log = new TestLog();
        try
        {
            var host = await HubHost.StartAsync(
                options, new HubSurroundings { Log = log, Time = time ?? TimeProvider.System }, TestContext.Current.CancellationToken);
            return new TestHub(host, log, directory);
        }
        catch
        {
            directory?.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync();
        _directory?.Dispose();
        Log.AssertNoErrors();
    }
}
