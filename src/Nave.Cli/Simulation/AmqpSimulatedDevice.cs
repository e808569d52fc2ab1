using Amqp;
using Amqp.Framing;
using Nave.Cli.Events;
using Nave.Protocol.Access;

namespace Nave.Cli.Simulation;

/// <summary>A device over AMQP on a connection of its own, with TLS or WebSocket: SASL PLAIN, a link for telemetry and one for commands (spec/device-amqp.md 3 to 6).</summary>
internal sealed class AmqpSimulatedDevice : ISimulatedDevice
{
    private const int CommandCredit = 50;
    private static readonly TimeSpan TokenLife = TimeSpan.FromHours(1);
    private static readonly TimeSpan Goodbye = TimeSpan.FromSeconds(2);

    private readonly Connection _connection;
    private readonly SenderLink _telemetry;
    private readonly SimulationTally _tally;
    private readonly TimeProvider _time;
    private readonly TaskCompletionSource _attached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _allAcknowledged = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _waiting;
    private volatile bool _isDraining;

    private AmqpSimulatedDevice(DeviceSetup setup, string id, Connection connection)
    {
        _connection = connection;
        _tally = setup.Tally;
        _time = setup.Time;
        var session = new Session(connection);
        var path = $"/devices/{Uri.EscapeDataString(id)}/messages/";
        _telemetry = new SenderLink(
            session, "telemetry", new Attach { Source = new Source(), Target = new Target { Address = path + "events" } }, (_, _) => _attached.TrySetResult());
        _telemetry.AddClosedCallback((_, _) => _ended.TrySetResult());
        connection.AddClosedCallback((_, _) => _ended.TrySetResult());
        if (setup.AnswersCommands)
        {
            new ReceiverLink(session, "commands", path + "devicebound").Start(CommandCredit, Complete);
        }
    }

    /// <inheritdoc/>
    public bool IsConnected => !_ended.Task.IsCompleted;

    /// <summary>Connects with the device's own key.</summary>
    public static async Task<AmqpSimulatedDevice> ConnectAsync(DeviceSetup setup, string id, string key, CancellationToken deadline)
    {
        var hub = setup.Hub;
        var host = hub.Service.Host;
        var token = SasToken.Mint($"{host}/devices/{id}", key, setup.Time.GetUtcNow() + TokenLife);
        var connection = await EventsClient.OpenAsync(
            hub,
            host,
            sasl: null,
            $"{id}@sas.{host.Split('.')[0]}",
            token,
            setup.Protocol is SimulatedProtocol.AmqpWs ? new AmqpWebSockets(hub, deadline) : null).WaitAsync(deadline);
        var device = new AmqpSimulatedDevice(setup, id, connection);
        await Task.WhenAny(device._attached.Task, device._ended.Task).WaitAsync(deadline);
        if (!device.IsConnected)
        {
            var error = device._telemetry.Error ?? connection.Error;
            throw new CommandFailedException($"connect refused: {error?.Description ?? error?.Condition?.ToString() ?? "no reason given"}");
        }

        setup.Tally.DeviceConnected();
        return device;
    }

    /// <inheritdoc/>
    public ValueTask<bool> SendAsync(ReadOnlyMemory<byte> body, CancellationToken stopping)
    {
        var message = new Message
        {
            Properties = new Properties { ContentType = "application/json", ContentEncoding = "utf-8" },
            ApplicationProperties = new ApplicationProperties { ["source"] = "simulate" },
            BodySection = new Data { Binary = body.ToArray() },
        };
        Interlocked.Increment(ref _waiting);
        try
        {
            _telemetry.Send(message, OnOutcome, _time.GetTimestamp());
            _tally.MessageSent();
            return new(true);
        }
        catch (AmqpException)
        {
            Interlocked.Decrement(ref _waiting);
            return new(false);
        }
    }

    /// <inheritdoc/>
    public async Task DrainAsync(CancellationToken stopping)
    {
        _isDraining = true;
        if (Volatile.Read(ref _waiting) > 0)
        {
            await Task.WhenAny(_allAcknowledged.Task, _ended.Task).WaitAsync(stopping);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await _connection.CloseAsync(Goodbye, null);
        }
        catch (Exception e) when (e is AmqpException or TimeoutException or IOException or ObjectDisposedException)
        {
            // Gone already.
        }

        _tally.DeviceGone();
    }

    private void OnOutcome(ILink link, Message message, Outcome outcome, object state)
    {
        if (outcome is Accepted)
        {
            _tally.MessageAcknowledged(_time.GetElapsedTime((long)state));
        }
        else if (IsConnected)
        {
            _tally.Failed($"message refused: {(outcome as Rejected)?.Error?.Description ?? outcome?.ToString() ?? "no outcome"}");
        }

        if (Interlocked.Decrement(ref _waiting) == 0 && _isDraining)
        {
            _allAcknowledged.TrySetResult();
        }
    }

    // Gives its credit back as well.
    private void Complete(IReceiverLink link, Message command)
    {
        link.Accept(command);
        _tally.CommandAnswered();
    }
}
