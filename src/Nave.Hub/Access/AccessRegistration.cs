using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Nave.Hub.Access;

/// <summary>Puts access together.</summary>
internal static class AccessRegistration
{
    /// <summary>
    /// Needs <see cref="Nave.Protocol.Access.HubNames"/>, <see cref="TimeProvider"/>, the registry, and
    /// <see cref="Storage.HubDatabase"/> opened with <see cref="AccessSchema.Part"/> and its
    /// <see cref="Storage.Keys.KeyWrapping"/>; takes <see cref="AccessOptions"/> if they are there. Before anybody is admitted,
    /// <see cref="PolicyRegistry.LoadAsync"/> and <see cref="CertificateAuthorities.LoadAsync"/> must have completed.
    /// </summary>
    public static IServiceCollection AddAccess(this IServiceCollection services)
    {
        services.TryAddSingleton(new AccessOptions());
        services.TryAddSingleton<IIdentitySource, RegistryIdentities>();
        services.TryAddSingleton<IPolicyStore, SqlPolicyStore>();
        services.TryAddSingleton<IAuthorityStore, SqlAuthorityStore>();
        services.TryAddSingleton<PolicyRegistry>();
        services.TryAddSingleton<CertificateAuthorities>();
        services.TryAddSingleton<AccessControl>();
        services.TryAddSingleton<LiveAccessTable>();
        services.AddHostedService(provider => provider.GetRequiredService<LiveAccessTable>());
        return services;
    }
}
