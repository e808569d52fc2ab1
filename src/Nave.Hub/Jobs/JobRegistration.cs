using Microsoft.Extensions.DependencyInjection;

namespace Nave.Hub.Jobs;

/// <summary>The services of jobs. Needs twins, methods, queries, and a database opened with <see cref="JobStore.Schema"/>.</summary>
internal static class JobRegistration
{
    public static IServiceCollection AddJobs(this IServiceCollection services) => services
        .AddSingleton<JobStore>()
        .AddSingleton<JobRunner>()
        .AddSingleton<JobScheduler>()
        .AddHostedService(provider => provider.GetRequiredService<JobScheduler>());
}
