using Amqp;
using Amqp.Framing;
using Amqp.Listener;
using Amqp.Types;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Amqp;

/// <summary>An ATTACH from the peer, to be accepted or refused exactly once.</summary>
internal sealed class LinkRequest(AmqpConnection connection, ListenerSession session, ListenerLink link, Attach attach)
{
    private bool _isAnswered;

    public AmqpConnection Connection { get; } = connection;

    public ListenerSession Session { get; } = session;

    public ListenerLink Link { get; } = link;

    /// <summary>As the peer sent it.</summary>
    public Attach Attach { get; } = attach;

    /// <summary>Whether the peer sends on the link and the hub receives.</summary>
    public bool PeerSends { get; } = !attach.Role;

    /// <summary>The address that tells what the link is for; null when there is none.</summary>
    public LinkAddress? Address { get; } = LinkAddress.TryParse(
        attach.Role ? (attach.Source as Source)?.Address : (attach.Target as Target)?.Address);

    /// <summary>A property of the attach, or null.</summary>
    public object? Property(string name) =>
        Attach.HasField(13) && Attach.Properties is { } properties && properties.TryGetValue(new Symbol(name), out var value) ? value : null;

    /// <summary>Whether the peer asks for a capability, alone or in an array (spec/events-endpoint.md 3).</summary>
    public bool Desires(string capability) =>
        Attach.HasField(12) && Attach.DesiredCapabilities is { } desired
        && desired.Any(wish => string.Equals(wish, capability, StringComparison.Ordinal));

    /// <summary>Accepts a link on which the peer sends.</summary>
    public void AcceptReceiver(int credit, ulong maxMessageBytes, Action<ListenerLink, Message> onMessage)
    {
        Link.InitializeReceiver((uint)credit, (link, message, _, _) => onMessage(link, message), state: null);
        var answer = CreateAnswer();
        answer.MaxMessageSize = maxMessageBytes;
        _isAnswered = true;
        Link.CompleteAttach(answer, null);
    }

    /// <summary>Accepts a link on which the hub sends.</summary>
    /// <param name="link">The link's endpoint.</param>
    /// <param name="source">What the answer says the source is: filters that are honoured, and no others.</param>
    /// <param name="isSettledAllowed">Whether the peer may have everything sent settled.</param>
    public void AcceptSender(OutgoingLink link, Source? source, bool isSettledAllowed = true)
    {
        LinkInternals.Initialize(Link, link, 0);
        var answer = CreateAnswer();
        if (!isSettledAllowed && answer.SndSettleMode is SenderSettleMode.Settled)
        {
            answer.SndSettleMode = SenderSettleMode.Unsettled;
        }

        answer.Source = source;
        answer.InitialDeliveryCount = 0;
        _isAnswered = true;
        Link.CompleteAttach(answer, null);
    }

    /// <summary>Refuses: ATTACH without source and target, then DETACH with the error (spec/device-amqp.md 4.4).</summary>
    public void Refuse(Error error)
    {
        _isAnswered = true;
        if (PeerSends)
        {
            // What the peer sends before it knows is let go, not kept.
            Link.InitializeReceiver(0, static (link, message, _, _) => Drop(link, message), state: null);
        }

        Link.CompleteAttach(Attach, error);
    }

    /// <summary>Refuses with a failure of the catalogue.</summary>
    public void Refuse(HubFailure failure) => Refuse(ToError(failure));

    /// <summary>Refuses unless the link has been answered; never throws when the peer is gone.</summary>
    public void TryRefuse(HubFailure failure)
    {
        if (_isAnswered)
        {
            return;
        }

        try
        {
            Refuse(failure);
        }
        catch (Exception e) when (AmqpConnection.IsEngineClosed(e))
        {
            // Nobody is left to be told.
        }
    }

    /// <summary>A failure as the protocol says it.</summary>
    public static Error ToError(HubFailure failure) =>
        new(new Symbol(failure.AmqpCondition)) { Description = failure.Message };

    private static void Drop(ListenerLink link, Message message)
    {
        link.DisposeMessage(message, new Released(), settled: true);
        message.Dispose();
    }

    /// <summary>
    /// A fresh answer: the library would send the peer's own attach back, with all that we do not offer. Settle modes
    /// are echoed: azure-amqp goes by the server's (spec/service-amqp.md 2).
    /// </summary>
    private Attach CreateAnswer()
    {
        var answer = new Attach
        {
            LinkName = Attach.LinkName,
            Handle = Attach.Handle,
            Source = Attach.Source,
            Target = Attach.Target,
        };
        if (Attach.HasField(3))
        {
            answer.SndSettleMode = Attach.SndSettleMode;
        }

        if (Attach.HasField(4))
        {
            answer.RcvSettleMode = Attach.RcvSettleMode;
        }

        return answer;
    }
}
