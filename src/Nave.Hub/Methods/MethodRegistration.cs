using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Nave.Hub.Methods;

/// <summary>The services of direct methods. Needs the registry and the waist.</summary>
internal static class MethodRegistration
{
    public static IServiceCollection AddMethods(this IServiceCollection services)
    {
        services.TryAddSingleton<MethodOptions>();
        return services
            .AddSingleton(provider => new MethodCalls(provider.GetRequiredService<MethodOptions>(), RandomId.New))
            .AddSingleton<IMethodRoute, MethodRoute>()
            .AddSingleton<MethodCaller>();
    }
}
