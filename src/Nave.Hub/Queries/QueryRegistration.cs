using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Nave.Hub.Queries;

/// <summary>The services of queries. Needs those of twins and of the registry.</summary>
internal static class QueryRegistration
{
    public static IServiceCollection AddQueries(this IServiceCollection services)
    {
        services.TryAddSingleton<QueryOptions>();
        return services
            .AddSingleton<QueryTables>()
            .AddSingleton<QueryIndexes>()
            .AddSingleton<QueryRunner>();
    }
}
