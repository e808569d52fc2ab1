using Amqp;
using Amqp.Framing;
using Amqp.Types;
using Nave.Protocol.Errors;

namespace Nave.PskGateway.Upstream;

/// <summary>
/// Two links of one device that belong together by a correlation id: requests one way, answers the other
/// (spec/device-amqp.md 4.2). What goes over them is settled as it is sent.
/// </summary>
internal sealed class PairedLinks
{
    private const string ApiVersion = "2020-09-30";

    private readonly LinkState _senderState;
    private readonly LinkState _receiverState;
    private readonly SenderLink _sender;
    private ReceiverLink? _receiver;

    private PairedLinks(Session session, PairedAddress address, string correlation, Action<HubFailure> onLost)
    {
        _senderState = new LinkState(onLost);
        _receiverState = new LinkState(onLost);
        _sender = new SenderLink(
            session,
            $"{address.Name}SenderLink-{correlation}",
            Attach(new Source(), new Target { Address = address.Path }, correlation),
            _senderState.OnAttached);
        _senderState.Follow(_sender);
    }

    /// <summary>Attaches the sender, then the receiver: the order in which the SDKs do it (spec/device-amqp.md 4.3).</summary>
    /// <param name="session">The device's session.</param>
    /// <param name="address">Which pair.</param>
    /// <param name="id">An id that nobody else has.</param>
    /// <param name="onMessage">On the connection's read loop.</param>
    /// <param name="onLost">A link ended by itself.</param>
    /// <exception cref="AmqpException">The session is over.</exception>
    public static async Task<Outcome<PairedLinks>> OpenAsync(
        Session session, PairedAddress address, Guid id, Action<Message> onMessage, Action<HubFailure> onLost)
    {
        var correlation = $"{address.Correlation}:{id:D}";
        var links = new PairedLinks(session, address, correlation, onLost);
        return (await links._senderState.Attached ?? await links.ReceiveAsync(session, address, correlation, onMessage)) is { } failure
            ? failure
            : links;
    }

    /// <summary>Sends a message, settled.</summary>
    /// <exception cref="AmqpException">The link is over.</exception>
    public void Send(Message message) => _sender.Send(message, null, null);

    /// <summary>Detaches both.</summary>
    public void Drop()
    {
        _senderState.Drop(_sender);
        if (_receiver is { } receiver)
        {
            _receiverState.Drop(receiver);
        }
    }

    private static Attach Attach(Source source, Target target, string correlation) => new()
    {
        Source = source,
        Target = target,
        SndSettleMode = SenderSettleMode.Settled,
        RcvSettleMode = ReceiverSettleMode.First,
        Properties = new Fields
        {
            [new Symbol("com.microsoft:channel-correlation-id")] = correlation,
            [new Symbol("com.microsoft:api-version")] = ApiVersion,
        },
    };

    private Task<HubFailure?> ReceiveAsync(Session session, PairedAddress address, string correlation, Action<Message> onMessage)
    {
        _receiver = new ReceiverLink(
            session,
            $"{address.Name}ReceiverLink-{correlation}",
            Attach(new Source { Address = address.Path }, new Target(), correlation),
            _receiverState.OnAttached);
        _receiverState.Follow(_receiver);
        _receiver.Start(address.Credit, (link, message) =>
        {
            link.Accept(message); // Settled already: gives its credit back.
            onMessage(message);
        });
        return _receiverState.Attached;
    }
}

/// <summary>Which pair of links.</summary>
/// <param name="Path">The address of both.</param>
/// <param name="Name">What their names begin with.</param>
/// <param name="Correlation">What their correlation id begins with.</param>
/// <param name="Credit">Messages that may come before one is read.</param>
internal sealed record PairedAddress(string Path, string Name, string Correlation, int Credit);
