using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Authentication;
using Amqp;
using Nave.Cli.Hubs;
using Nave.Mqtt;

namespace Nave.Cli.Simulation;

/// <summary>By which of the ways that the device SDKs have a simulated device connects.</summary>
internal enum SimulatedProtocol
{
    Mqtt,
    MqttWs,
    Amqp,
    AmqpWs,
    Https,
}

/// <summary>One device of a simulation, on whatever protocol. What it sends and what is acknowledged goes into the tally.</summary>
internal interface ISimulatedDevice : IAsyncDisposable
{
    /// <summary>Whether the connection still stands.</summary>
    bool IsConnected { get; }

    /// <summary>Sends one message without waiting for its acknowledgement; used by one caller at a time.</summary>
    /// <returns>False when the connection is gone.</returns>
    ValueTask<bool> SendAsync(ReadOnlyMemory<byte> body, CancellationToken stopping);

    /// <summary>Waits until everything is acknowledged or the connection is gone.</summary>
    Task DrainAsync(CancellationToken stopping);
}

/// <summary>How the devices of a simulation connect and what they do.</summary>
/// <param name="Hub">Where to.</param>
/// <param name="Protocol">By which way.</param>
/// <param name="AnswersCommands">Whether they take commands and complete them.</param>
/// <param name="Tally">What happened.</param>
/// <param name="Time">The clock.</param>
internal sealed record DeviceSetup(HubTarget Hub, SimulatedProtocol Protocol, bool AnswersCommands, SimulationTally Tally, TimeProvider Time)
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(30);

    /// <summary>Whether they answer direct methods with what they are given; over MQTT only.</summary>
    public bool AnswersMethods { get; init; }

    /// <summary>Connects a device with its own key.</summary>
    /// <exception cref="CommandFailedException">The hub refuses or cannot be reached.</exception>
    public async Task<ISimulatedDevice> ConnectAsync(string id, string key, CancellationToken stopping)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        deadline.CancelAfter(ConnectTimeout);
        try
        {
            return Protocol switch
            {
                SimulatedProtocol.Https => HttpSimulatedDevice.Create(this, id, key),
                SimulatedProtocol.Amqp or SimulatedProtocol.AmqpWs => await AmqpSimulatedDevice.ConnectAsync(this, id, key, deadline.Token),
                _ => await SimulatedDevice.ConnectAsync(this, id, key, deadline.Token),
            };
        }
        catch (Exception e) when (e is SocketException or IOException or AuthenticationException or OperationCanceledException
            or MalformedPacketException or WebSocketException or AmqpException or TimeoutException)
        {
            stopping.ThrowIfCancellationRequested();
            throw new CommandFailedException(
                e is OperationCanceledException ? "no connection within 30 s" : $"cannot connect to {Hub.Host}:{Port}: {e.Message}");
        }
    }

    private int Port => Protocol switch
    {
        SimulatedProtocol.Mqtt => Hub.MqttsPort,
        SimulatedProtocol.Amqp => Hub.AmqpsPort,
        _ => Hub.HttpsPort,
    };
}
