using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Nave.Hub.Queries;

namespace Nave.Hub.Heartbeats;

/// <summary>The services of heartbeats.</summary>
internal static class HeartbeatRegistration
{
    /// <summary>What sessions need to tell of their devices' lives: enough where nobody watches.</summary>
    public static IServiceCollection AddHeartbeatIntake(this IServiceCollection services)
    {
        services.TryAddSingleton<HeartbeatOptions>();
        services.TryAddSingleton<HeartbeatTable>();
        services.TryAddSingleton<HeartbeatIntake>();
        return services;
    }

    /// <summary>The monitor. Needs the registry, twins, the outbox and the log.</summary>
    public static IServiceCollection AddHeartbeats(this IServiceCollection services) => services
        .AddHeartbeatIntake()
        .AddSingleton<HeartbeatWrites>()
        .AddSingleton<IMonitorStates>(provider => provider.GetRequiredService<HeartbeatWrites>())
        .AddSingleton<HeartbeatStore>()
        .AddSingleton<HeartbeatFeed>()
        .AddSingleton<HeartbeatSilences>()
        .AddSingleton<HeartbeatAlerts>()
        .AddSingleton<HeartbeatWebhooks>()
        .AddHostedService(provider => provider.GetRequiredService<HeartbeatWebhooks>())
        .AddSingleton<HeartbeatMonitor>()
        .AddHostedService(provider => provider.GetRequiredService<HeartbeatMonitor>());
}
