using Microsoft.Extensions.DependencyInjection;

namespace Nave.Hub.Configurations;

/// <summary>The services of configurations. Needs those of twins and queries, and a database opened with <see cref="ConfigurationSchema.Part"/>.</summary>
internal static class ConfigurationRegistration
{
    public static IServiceCollection AddConfigurations(this IServiceCollection services) => services
        .AddSingleton<ConfigurationSet>()
        .AddSingleton<ConfigurationMetrics>()
        .AddSingleton<ConfigurationRegistry>()
        .AddSingleton<ConfigurationPlanner>()
        .AddSingleton<ConfigurationEvaluator>()
        .AddSingleton<ContentApplier>()
        .AddHostedService(provider => provider.GetRequiredService<ConfigurationEvaluator>());
}
