using Nave.Protocol;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>What may be set about the MQTT head. Section <c>Mqtt</c> of the configuration.</summary>
internal sealed class MqttOptions
{
    /// <summary>From the end of the TLS handshake to a whole CONNECT and its judgement (design.md 4).</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(HubLimits.AuthenticationTimeoutSeconds);

    /// <summary>PUBLISHes of one connection that wait for their acknowledgement; nothing more is read from it meanwhile.</summary>
    public int MaxUnacknowledged { get; set; } = 4096;

    /// <summary>Bytes for one connection that it has not taken off the transport; nothing more is read from it meanwhile.</summary>
    public int MaxUnsentBytes { get; set; } = 64 * 1024;

    /// <summary>How long a connection may leave that much untaken before it is dropped.</summary>
    public TimeSpan UnsentTimeout { get; set; } = TimeSpan.FromSeconds(30);
}
