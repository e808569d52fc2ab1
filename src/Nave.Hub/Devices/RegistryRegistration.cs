using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Nave.Hub.Events;
using Nave.Hub.Twins;

namespace Nave.Hub.Devices;

/// <summary>
/// The registry's services. Needs <see cref="Storage.HubDatabase"/> opened with <see cref="RegistrySchema.Part"/>,
/// <see cref="Storage.Keys.KeyWrapping"/>, <see cref="NodeIncarnation"/> and the time.
/// </summary>
internal static class RegistryRegistration
{
    public static IServiceCollection AddRegistry(this IServiceCollection services)
    {
        services.TryAddSingleton(new RegistryLimits());
        services.TryAddSingleton<TwinOptions>();
        services.AddOutbox();
        return services
            .AddSingleton<IdentityMarks>()
            .AddSingleton<RegistryRules>()
            .AddSingleton<TwinWriter>()
            .AddSingleton<IdentityStore>()
            .AddSingleton<DeviceRegistry>()
            .AddSingleton<SubscriptionStore>()
            .AddSingleton<PresenceStore>()
            .AddSingleton<Presence>()
            .AddHostedService<PresenceRunner>();
    }

    /// <summary>Presence while the host runs: started before the ports open, written out after they have closed.</summary>
    private sealed class PresenceRunner(Presence presence) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => presence.StartAsync(cancellationToken);

        public Task StopAsync(CancellationToken cancellationToken) => presence.StopAsync();
    }
}
