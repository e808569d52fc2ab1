using Microsoft.Extensions.DependencyInjection;
using Nave.Protocol.Identities;

namespace Nave.Hub.Twins;

/// <summary>The services of twins. Needs the registry's, which brings <see cref="TwinWriter"/>: it makes twins with identities.</summary>
internal static class TwinRegistration
{
    public static IServiceCollection AddTwins(this IServiceCollection services) => services
        .AddSingleton<TwinReader>()
        .AddSingleton<TwinStore>()
        .AddSingleton<ITwinRoute, TwinRoute>()
        .AddSingleton<TwinBoxes>();
}

/// <summary>Makes the twin box of an actor that wakes.</summary>
internal sealed class TwinBoxes(TwinStore store, ITwinRoute route)
{
    public TwinBox Create(IdentityId id) => new(id, store, route);
}
