using System.Net;

namespace Nave.Hub.Hosting;

/// <summary>What a listener serves.</summary>
internal enum HubPort
{
    Mqtts,
    Amqps,
    Https,
    Operator,
    Mqtt,
    Amqp,
}

/// <summary>An address to listen on, with what is served there.</summary>
internal sealed class HubEndPoint(HubPort port, IPAddress address, int number) : IPEndPoint(address, number)
{
    /// <summary>What is served there.</summary>
    public HubPort Serves { get; } = port;
}

/// <summary>On every connection that speaks HTTP: by which listener it came.</summary>
internal sealed record ArrivalFeature(HubPort Port);
