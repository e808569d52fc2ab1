using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Nave.Hub.Access;
using Nave.Hub.Devices;
using Nave.Hub.Quotas;

namespace Nave.Hub.Heads.Http;

/// <summary>
/// The service API and the device API over HTTPS (spec/service-rest.md, spec/device-http.md). Put together in three steps: services, then
/// <see cref="UsePaths"/> before routing, then the routes.
/// </summary>
internal static class ServiceApi
{
    public static IServiceCollection AddServiceApi(this IServiceCollection services) => services
        .AddSingleton<ServiceSignals>()
        .AddSingleton<DeviceEndpoints>()
        .AddSingleton<BulkEndpoints>()
        .AddSingleton<TwinEndpoints>()
        .AddSingleton<ConfigurationEndpoints>()
        .AddSingleton<DigitalTwinEndpoints>()
        .AddSingleton<CommandEndpoints>()
        .AddSingleton<MethodEndpoints>()
        .AddSingleton<QueryEndpoints>()
        .AddSingleton<JobEndpoints>();

    /// <summary>Reads the path of every request once. Must stand before <c>UseRouting</c>.</summary>
    public static void UsePaths(IApplicationBuilder app) => RequestPaths.Use(app);

    /// <summary>Maps every route, and a refusal for all that is none.</summary>
    public static void Map(IEndpointRouteBuilder endpoints)
    {
        var services = endpoints.ServiceProvider;
        var routes = new ServiceRoutes(
            endpoints,
            services.GetRequiredService<AccessControl>(),
            services.GetRequiredService<HubMeter>(),
            services.GetRequiredService<ServiceSignals>(),
            services.GetRequiredService<TimeProvider>(),
            services.GetRequiredService<ILogger<ServiceRoutes>>());
        services.GetRequiredService<DeviceEndpoints>().Map(routes);
        services.GetRequiredService<BulkEndpoints>().Map(routes);
        services.GetRequiredService<TwinEndpoints>().Map(routes);
        services.GetRequiredService<CommandEndpoints>().Map(routes);
        services.GetRequiredService<ConfigurationEndpoints>().Map(routes);
        services.GetRequiredService<DigitalTwinEndpoints>().Map(routes);
        services.GetRequiredService<MethodEndpoints>().Map(routes);
        services.GetRequiredService<QueryEndpoints>().Map(routes);
        services.GetRequiredService<JobEndpoints>().Map(routes);
        DeviceMessageEndpoints.Map(new DeviceRoutes(
            routes, services.GetRequiredService<AccessControl>(), services.GetRequiredService<DeviceSessions>()));
        UnbuiltRoutes.Map(routes);
    }
}
