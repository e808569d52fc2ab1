using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Nave.Hub.Hosting;

/// <summary>Everything below <c>/$nave/v1/</c> on the operator port.</summary>
internal static class OperatorEndpoints
{
    /// <summary>Maps it; every endpoint needs the right Manage.</summary>
    public static void Map(IEndpointRouteBuilder endpoints)
    {
        DashboardEndpoints.Map(endpoints);
        var root = endpoints.MapGroup("/$nave/v1").WithMetadata(new OperatorFunctionAttribute());
        endpoints.ServiceProvider.GetRequiredService<PolicyEndpoints>().Map(root);
        endpoints.ServiceProvider.GetRequiredService<AuthorityEndpoints>().Map(root);
        endpoints.ServiceProvider.GetRequiredService<ConsumerGroupEndpoints>().Map(root);
        endpoints.ServiceProvider.GetRequiredService<HeartbeatEndpoints>().Map(root);
        endpoints.ServiceProvider.GetRequiredService<DecisionEndpoints>().Map(root);
        endpoints.ServiceProvider.GetRequiredService<QuotaEndpoints>().Map(root);
    }
}
