using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Nave.EventLog;
using Nave.Hub.Access;
using Nave.Hub.Commands;
using Nave.Hub.Configurations;
using Nave.Hub.Devices;
using Nave.Hub.Events;
using Nave.Hub.Faults;
using Nave.Hub.Heads;
using Nave.Hub.Heads.Amqp;
using Nave.Hub.Heads.Http;
using Nave.Hub.Heads.Mqtt;
using Nave.Hub.Heartbeats;
using Nave.Hub.Hosting.Certificates;
using Nave.Hub.Hosting.Sockets;
using Nave.Hub.Jobs;
using Nave.Hub.Methods;
using Nave.Hub.Monitoring;
using Nave.Hub.Queries;
using Nave.Hub.Quotas;
using Nave.Hub.Telemetry;
using Nave.Hub.Twins;
using Nave.Protocol.Access;

namespace Nave.Hub.Hosting;

/// <summary>Puts the features together into one application, and has them read what they need before a port opens.</summary>
internal static class HubComposition
{
    // The EntityPath of the events endpoint (design.md 3, connection.json).
    private const string EventHubName = "nave";

    /// <summary>The whole application, not started.</summary>
    public static WebApplication Build(HubOptions options, HubSurroundings surroundings, HubStores stores)
    {
        var names = HostNames.Of(options.Hub.HostNames, options.Listen.Address, surroundings.MachineName);
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ContentRootPath = stores.Data.Root });
        AddSurroundings(builder.Services, options, surroundings, stores, names);
        AddFeatures(builder.Services, options, names);
        builder.Services.AddMetricsExport(options, surroundings);
        AddPorts(builder);

        var app = builder.Build();
        ServiceApi.UsePaths(app);
        app.UseWebSockets();
        app.UseRouting();
        app.UseMiddleware<OperatorGate>();
        app.UseWebSockets();
        HealthEndpoints.Map(app);
        OperatorEndpoints.Map(app);
        app.MapWebSocketHeads();
        ServiceApi.Map(app);
        return app;
    }

    /// <summary>Policies and authorities are in memory, and what was to be seeded is there.</summary>
    public static async Task LoadAsync(IServiceProvider services, HubOptions options, CancellationToken stopping)
    {
        await services.GetRequiredService<HubSeeding>().RunAsync(options.Seed, stopping);
        await services.GetRequiredService<QueryIndexes>().LoadAsync(stopping);
        await services.GetRequiredService<QuotaKeeper>().LoadAsync(stopping);
        services.GetRequiredService<WallClockWatch>();
        services.GetRequiredService<DecisionFeeds>();
        services.GetRequiredService<OperationsFeeds>();
        services.GetRequiredService<HubGauges>();
        services.GetRequiredService<PrometheusPage>();
    }

    private static void AddSurroundings(
        IServiceCollection services, HubOptions options, HubSurroundings surroundings, HubStores stores, IReadOnlyList<string> names)
    {
        services.AddSingleton(options);
        services.AddSingleton(surroundings);
        services.AddSingleton(surroundings.Time);
        services.AddSingleton(stores.Loggers);
        services.AddSingleton(stores.Data);
        services.AddSingleton(stores.Streams);
        services.AddSingleton<IEventLog>(stores.Log); // Instances are their owner's: the container disposes of none.
        services.AddSingleton(stores.Database);
        services.AddSingleton(stores.Wrapping);
        services.AddSingleton(stores.Certificates);
        services.AddSingleton<ServerTls>();
        services.AddSingleton(new HubNames(names[0], names.Skip(1)));
        services.AddSingleton(new NodeIncarnation(RandomId.New()));
        services.AddSingleton(OperatorCredential.Of(stores.Data));
        services.AddSingleton<WallClockWatch>();
    }

    private static void AddFeatures(IServiceCollection services, HubOptions options, IReadOnlyList<string> names)
    {
        services.AddSingleton<HubMetrics>();
        services.AddSingleton<HubGauges>();
        services.AddSingleton(provider => new PrometheusPage(provider.GetRequiredService<HubMetrics>().Meter));
        services.AddSingleton<HubHealth>();
        services.AddSingleton<HubSeeding>();
        services.AddSingleton(new AccessOptions
        {
            ClockSkew = options.Access.ClockSkew,
            AllowExpiredCertificates = options.Access.AllowExpiredCertificates,
            MaxFailuresPerAddress = options.Access.MaxFailuresPerAddress,
            MaxConnectsPerDevice = options.Access.MaxConnectsPerDevice,
            MaxConnectsPerAddress = options.Access.MaxConnectsPerAddress,
            MaxMessagesPerDevice = options.Access.MaxMessagesPerDevice,
            EventHubName = EventHubName,
        });
        services.AddAccess();
        services.AddSingleton(new ConnectionEventOptions(options.Events.ConnectionStateInterval));
        services.AddChangeEvents(options.Events.Sources);
        services.AddSingleton(options.Twins);
        services.AddRegistry();
        services.AddSingleton(options.CloudToDevice);
        services.AddCommands();
        services.AddTwins();
        services.AddSingleton(provider => new FaultInjection(
            options.Testing.FaultInjection, provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<FaultInjection>>()));
        services.AddQuotas(options.Quota);
        services.AddSingleton(options.Methods);
        services.AddMethods();
        services.AddSingleton(options.Heartbeats);
        services.AddSingleton(options.Queries);
        services.AddQueries();
        services.AddConfigurations();
        services.AddSingleton(options.Jobs);
        services.AddJobs();
        services.AddDevices();
        services.AddHeartbeats();
        services.AddSingleton<TelemetryPipeline>();
        services.AddMqtt();
        services.AddAmqp(amqp =>
        {
            amqp.EventHubName = EventHubName;
            amqp.HostNames = names;
        });
        services.AddServiceApi();
        services.AddSingleton<PolicyEndpoints>();
        services.AddSingleton<AuthorityEndpoints>();
        services.AddSingleton<ConsumerGroupEndpoints>();
        services.AddSingleton<HeartbeatEndpoints>();
        services.AddSingleton(provider => new DecisionLog(provider.GetRequiredService<HeartbeatTable>().Contains, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(options.Operations);
        services.AddSingleton<OperationsMonitor>();
        services.AddHostedService(provider => provider.GetRequiredService<OperationsMonitor>());
        services.AddSingleton<DecisionFeeds>();
        services.AddSingleton<OperationsFeeds>();
        services.AddSingleton<DecisionEndpoints>();
        services.AddSingleton<QuotaEndpoints>();
        services.AddSingleton<ConsumerGroupStore>();
        services.AddTransient<OperatorGate>();
    }

    private static void AddPorts(WebApplicationBuilder builder)
    {
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton<Listeners>();
        builder.Services.AddSingleton<TlsHandshakes>();
        builder.Services.AddSingleton<IConfigureOptions<KestrelServerOptions>, ConfigureKestrel>();
        builder.Services.AddOptions<SocketTransportOptions>().Configure<Listeners>((transport, listeners) => listeners.Configure(transport));
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration();
        if (SocketTransport.IsSupported)
        {
            // Kestrel asks the last one first.
            builder.Services.AddSingleton<IConnectionListenerFactory, SocketTransport>();
        }
    }
}
