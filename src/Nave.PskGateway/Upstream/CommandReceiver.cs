using Amqp;
using Amqp.Framing;
using Nave.Protocol.Errors;

namespace Nave.PskGateway.Upstream;

/// <summary>
/// The link on which one device gets commands (spec/device-amqp.md 6). Owns those that are unsettled: as many as its credit
/// at most. Whatever is unsettled when the link goes is the hub's again.
/// </summary>
internal sealed class CommandReceiver
{
    private readonly Action<HubCommand> _onCommand;
    private readonly LinkState _state;
    private readonly ReceiverLink _link;
    private readonly int _generation;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Message> _unsettled = new(StringComparer.Ordinal);
    private long _lastNumber;

    /// <summary>Begins to attach.</summary>
    /// <param name="session">The device's session.</param>
    /// <param name="path">The device's.</param>
    /// <param name="generation">How many such links the device had before.</param>
    /// <param name="onCommand">On the connection's read loop.</param>
    /// <param name="onLost">The link ended by itself.</param>
    public CommandReceiver(Session session, string path, int generation, Action<HubCommand> onCommand, Action<HubFailure> onLost)
    {
        _generation = generation;
        _onCommand = onCommand;
        _state = new LinkState(onLost);
        _link = new ReceiverLink(
            session,
            $"TelemetryReceiverLink-{generation}", // The engine knows the name until the hub has answered the last one's DETACH.
            new Attach { Source = new Source { Address = path + "/messages/devicebound" }, Target = new Target() },
            _state.OnAttached);
        _state.Follow(_link);
    }

    /// <summary>Completes when the hub has attached or refused the link.</summary>
    public Task<HubFailure?> Attached => _state.Attached;

    /// <summary>Lets commands come; settling one makes room for the next.</summary>
    public void Start(int credit) => _link.Start(credit, OnMessage);

    /// <summary>Tells the hub.</summary>
    /// <returns>False when the command is the hub's again.</returns>
    public bool Settle(string token, CommandOutcome outcome)
    {
        Message? message;
        lock (_lock)
        {
            _unsettled.Remove(token, out message);
        }

        if (message is null)
        {
            return false;
        }

        try
        {
            switch (outcome)
            {
                case CommandOutcome.Complete:
                    _link.Accept(message);
                    break;
                case CommandOutcome.Abandon:
                    _link.Release(message);
                    break;
                case CommandOutcome.Reject:
                    _link.Reject(message);
                    break;
                default:
                    throw new ArgumentOutOfRangeException(nameof(outcome));
            }

            return true;
        }
        catch (Exception e) when (HubErrors.IsClosed(e))
        {
            return false;
        }
    }

    /// <summary>Gives everything unsettled back to the hub and detaches.</summary>
    public void Drop() => _state.Drop(_link);

    private void OnMessage(IReceiverLink link, Message message)
    {
        // Not the lock token: a device may settle what an earlier link brought, and that is the hub's again.
        var token = $"{_generation}-{++_lastNumber}";
        lock (_lock)
        {
            _unsettled[token] = message;
        }

        _onCommand(HubMessages.ToCommand(token, message));
    }
}
