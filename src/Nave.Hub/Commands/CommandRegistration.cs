using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Nave.Protocol.Identities;

namespace Nave.Hub.Commands;

/// <summary>The services of cloud-to-device messages. Needs a database opened with <see cref="CommandStore.Schema"/>, behind the registry's.</summary>
internal static class CommandRegistration
{
    public static IServiceCollection AddCommands(this IServiceCollection services)
    {
        services.TryAddSingleton<CommandOptions>();
        return services
            .AddSingleton<CommandStore>()
            .AddSingleton<FeedbackStore>()
            .AddSingleton<CommandClock>()
            .AddSingleton<ICommandRoute, CommandRoute>()
            .AddSingleton<CommandBoxes>()
            .AddSingleton<CommandSender>()
            .AddSingleton<Deliverability>()
            .AddSingleton(provider => new FeedbackQueue(
                provider.GetRequiredService<FeedbackStore>(),
                provider.GetRequiredService<CommandOptions>(),
                provider.GetRequiredService<TimeProvider>(),
                RandomId.New))
            .AddHostedService<CommandSweeper>();
    }
}

/// <summary>Makes the command box of an actor that wakes.</summary>
internal sealed class CommandBoxes(CommandStore store, CommandOptions options, ICommandRoute route, CommandClock clock, TimeProvider time)
{
    /// <summary>An empty cache over the identity's queue.</summary>
    public CommandBox Create(IdentityId id) => new(id, store, options, route, clock, time, RandomId.New);
}
