using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Nave.Hub.Quotas;

/// <summary>The services of quotas and throttles.</summary>
internal static class QuotaRegistration
{
    /// <summary>What others ask; passes everything unless a <see cref="QuotaPlan"/> is there that says otherwise.</summary>
    public static IServiceCollection AddMeter(this IServiceCollection services)
    {
        services.TryAddSingleton(new QuotaPlan(new QuotaOptions()));
        services.TryAddSingleton<HubMeter>();
        return services;
    }

    /// <summary>The limits as configured, and what keeps their figures. Needs a database opened with <see cref="QuotaStore.Schema"/>.</summary>
    public static IServiceCollection AddQuotas(this IServiceCollection services, QuotaOptions options) => services
        .AddSingleton(new QuotaPlan(options))
        .AddMeter()
        .AddSingleton<QuotaStore>()
        .AddSingleton<QuotaKeeper>()
        .AddHostedService(provider => provider.GetRequiredService<QuotaKeeper>());
}
