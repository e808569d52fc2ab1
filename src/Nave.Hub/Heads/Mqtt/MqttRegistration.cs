using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>Puts the MQTT head into a hub. Listeners and TLS are the host's: it gives connections to <see cref="MqttConnectionHandler"/>.</summary>
internal static class MqttRegistration
{
    /// <summary>Adds the head.</summary>
    public static IServiceCollection AddMqtt(this IServiceCollection services)
    {
        services.TryAddSingleton<MqttOptions>();
        services.AddSingleton<DeadlineWheel>();
        services.AddSingleton<MqttSignals>();
        services.AddSingleton<MqttAccept>();
        services.AddSingleton<MqttConnectionHandler>();
        services.AddSingleton<IWebSocketHead, MqttWebSockets>();
        return services;
    }
}
