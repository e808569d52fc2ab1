using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Nave.Hub.Events;

/// <summary>The services of change events. Needs a database opened with <see cref="EventOutbox.Schema"/>.</summary>
internal static class EventsRegistration
{
    /// <summary>What features need to tell of their changes: enough where nobody wants any.</summary>
    public static IServiceCollection AddOutbox(this IServiceCollection services)
    {
        services.TryAddSingleton(ChangeSources.None);
        services.TryAddSingleton<EventOutbox>();
        services.TryAddSingleton<LifecycleEvents>();
        services.TryAddSingleton(ConnectionEventOptions.Default);
        services.TryAddSingleton<ConnectionEvents>();
        return services;
    }

    /// <summary>The way from the outbox to the event log, for the sources that are wanted.</summary>
    public static IServiceCollection AddChangeEvents(this IServiceCollection services, IEnumerable<ChangeSource> wanted) =>
        services
            .AddSingleton(new ChangeSources(wanted))
            .AddOutbox()
            .AddSingleton<ChangeEventEncoding>()
            .AddSingleton<OutboxDrain>()
            .AddHostedService(provider => provider.GetRequiredService<OutboxDrain>());
}
