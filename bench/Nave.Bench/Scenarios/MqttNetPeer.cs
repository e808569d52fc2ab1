using MQTTnet.Server;

namespace Nave.Bench.Scenarios;

/// <summary>MQTTnet's server in ten lines (<see cref="Servers.MqttNetCommand"/>): anonymous, nothing stored.</summary>
internal sealed class MqttNetPeer() : OwnPeer(PeerName)
{
    public const string PeerName = "mqttnet";

    public override Task<string> PrepareAsync(PeerSetting setting, CancellationToken stopping) =>
        Task.FromResult($"{typeof(MqttServer).Assembly.GetName().Version?.ToString(3)} on .NET {Environment.Version}");
}
