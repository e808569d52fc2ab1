using Microsoft.Extensions.DependencyInjection;
using Nave.Hub.Commands;
using Nave.Hub.Heartbeats;
using Nave.Hub.Methods;
using Nave.Hub.Quotas;
using Nave.Hub.Twins;
using Nave.Protocol.Identities;

namespace Nave.Hub.Devices;

/// <summary>The waist's services: sessions, their table and the home of the device actors. Needs access, the registry, commands, twins, methods and telemetry.</summary>
internal static class DevicesRegistration
{
    public static IServiceCollection AddDevices(this IServiceCollection services) => services
        .AddHeartbeatIntake()
        .AddMeter()
        .AddSingleton<DeviceLimits>()
        .AddSingleton<SessionLimits>()
        .AddSingleton<SessionTable>()
        .AddSingleton<DeviceSessions>()
        .AddSingleton<IDeviceDirectory>(provider =>
        {
            var boxes = provider.GetRequiredService<CommandBoxes>();
            var twins = provider.GetRequiredService<TwinBoxes>();
            var methods = provider.GetRequiredService<IMethodRoute>();
            var parts = new ActorParts(boxes.Create, twins.Create, () => new MethodWatch(methods));
            return new InProcessDeviceDirectory((IdentityId id) => new DeviceActor(id, parts));
        });
}
