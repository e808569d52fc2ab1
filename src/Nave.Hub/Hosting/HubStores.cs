using Microsoft.Extensions.Logging;
using Nave.EventLog;
using Nave.Hub.Access;
using Nave.Hub.Commands;
using Nave.Hub.Configurations;
using Nave.Hub.Devices;
using Nave.Hub.Events;
using Nave.Hub.Heartbeats;
using Nave.Hub.Hosting.Certificates;
using Nave.Hub.Jobs;
using Nave.Hub.Quotas;
using Nave.Hub.Telemetry;
using Nave.Storage;
using Nave.Storage.Keys;
using Nave.Storage.Schema;

namespace Nave.Hub.Hosting;

/// <summary>
/// What a hub has on disk: the locked data directory with certificates, database and event log in it. Opened before
/// anything else, closed after everything else; the lock goes last.
/// </summary>
internal sealed class HubStores : IAsyncDisposable
{
    // In the order in which tables refer to each other.
    private static readonly SchemaPart[] Schema =
        [KeyWrapping.SchemaPart, AccessSchema.Part, RegistrySchema.Part, CommandStore.Schema, ConsumerGroupStore.Schema, EventOutbox.Schema, ConnectionEvents.Schema, JobStore.Schema,
        HeartbeatStore.Schema, HeartbeatWebhooks.Schema, HeartbeatSilences.Schema, ConfigurationSchema.Part, QuotaStore.Schema];

    private HubStores(DataDirectory data, ILoggerFactory loggers, TelemetryStreams streams)
    {
        Data = data;
        Loggers = loggers;
        Streams = streams;
    }

    /// <summary>The directory and its lock.</summary>
    public DataDirectory Data { get; }

    /// <summary>Where everybody logs.</summary>
    public ILoggerFactory Loggers { get; }

    /// <summary>The streams that the log was opened with.</summary>
    public TelemetryStreams Streams { get; }

    /// <summary>The event log.</summary>
    public EmbeddedEventLog Log { get; private set; } = null!; // Set before OpenAsync returns, as the next two.

    /// <summary>The durable facts.</summary>
    public HubDatabase Database { get; private set; } = null!;

    /// <summary>What keys are wrapped with.</summary>
    public KeyWrapping Wrapping { get; private set; } = null!;

    /// <summary>The hub's authority and what it shows in handshakes.</summary>
    public ServerCertificates Certificates { get; private set; } = null!;

    /// <summary>Takes the lock, then opens what is there or creates it.</summary>
    /// <exception cref="StartFailureException">Something cannot be had; the message says what and how to mend it.</exception>
    public static async Task<HubStores> OpenAsync(HubOptions options, HubSurroundings surroundings, CancellationToken stopping)
    {
        var data = DataDirectory.Open(options.Hub.DataDirectory, surroundings.Version, surroundings.Time);
        var stores = new HubStores(
            data,
            LoggerFactory.Create(logging => logging.AddProvider(surroundings.Log).SetMinimumLevel(LogLevel.Trace)),
            new TelemetryStreams(options.Events.Partitions));
        try
        {
            // A file of a former life would lead clients to a hub that is not there yet.
            ConnectionFile.Remove(data.Root);
            await stores.FillAsync(options, surroundings, stopping);
            return stores;
        }
        catch (Exception e)
        {
            await stores.DisposeAsync();
            throw e switch
            {
                LogCorruptException or LogOpenException or NewerDataException or NotOurDataException => new StartFailureException(e.Message, e),
                IOException or UnauthorizedAccessException => new StartFailureException($"The data in {data.Root} cannot be opened: {e.Message}", e),
                _ => e,
            };
        }
    }

    /// <summary>Commits and closes everything but the lock.</summary>
    public async Task CloseAsync()
    {
        if (Log is { } log)
        {
            await log.DisposeAsync();
        }

        if (Database is { } database)
        {
            await database.DisposeAsync();
        }

        Certificates?.Dispose();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        Data.Dispose();
        Loggers.Dispose();
    }

    // Side by side: each of the three costs some tens of milliseconds, of which a start has few.
    private async Task FillAsync(HubOptions options, HubSurroundings surroundings, CancellationToken stopping)
    {
        var log = FillLogAsync();
        var certificates = Task.Run(() => Certificates = OpenCertificates(options, surroundings, Data, Loggers), stopping);
        try
        {
            Database = HubDatabase.Open(
                new SqliteDialect(Data.PathOf("hub.db")), Schema, surroundings.Time, Loggers.CreateLogger<HubDatabase>());
            Wrapping = await KeyWrapping.OpenAsync(Database, Data.PathOf("master.key"), stopping);
        }
        finally
        {
            // Whatever failed: nothing may still be opening when this is given up.
            await Task.WhenAll(log, certificates);
        }

        async Task FillLogAsync() => Log = await OpenLogAsync(options.Events, Data, Streams, surroundings, Loggers, stopping);
    }

    private static ServerCertificates OpenCertificates(
        HubOptions options, HubSurroundings surroundings, DataDirectory data, ILoggerFactory loggers) =>
        ServerCertificates.Open(
            new CertificateSettings
            {
                Directory = data.PathOf("certs"),
                Names = HostNames.Of(options.Hub.HostNames, options.Listen.Address, surroundings.MachineName),
                CertificateFile = options.Tls.CertificateFile,
                KeyFile = options.Tls.KeyFile,
            },
            surroundings.Time,
            loggers.CreateLogger<ServerCertificates>());

    private static Task<EmbeddedEventLog> OpenLogAsync(
        EventsSection events, DataDirectory data, TelemetryStreams streams, HubSurroundings surroundings, ILoggerFactory loggers, CancellationToken stopping)
    {
        var options = new EventLogOptions
        {
            Streams = streams.All,
            Retention = events.Retention,
            RetentionBytes = events.RetentionBytes,
            LimitBytes = events.LimitBytes,
            ReserveBytes = events.ReserveBytes,
        };
        var files = new LogDirectory(data.PathOf("log"));
        var logger = loggers.CreateLogger<EmbeddedEventLog>();
        return surroundings.SkipsLogSync
            ? EmbeddedEventLog.OpenUnsyncedForBenchmarksAsync(options, files, surroundings.Time, logger)
            : EmbeddedEventLog.OpenAsync(options, files, surroundings.Time, logger, stopping);
    }
}
