using Amqp;
using Amqp.Framing;

namespace Nave.Hub.Heads.Amqp;

/// <summary>A link that carries the answers of a request node. Answers wait for credit, up to a bound.</summary>
internal sealed class ReplyLink(LinkRequest request) : OutgoingLink(request)
{
    // More requests than answers taken is a client that does not read.
    private const int MaxWaiting = 256;

    private readonly Lock _queueLock = new();
    private readonly Queue<ByteBuffer> _waiting = new();

    /// <summary>The address that requests name in reply-to; null when the link has none.</summary>
    public string? ReplyTo { get; } = (request.Attach.Target as Target)?.Address;

    protected override bool IsUrgent => true;

    /// <summary>Sends the answer as soon as there is credit.</summary>
    /// <returns>False when too many wait already.</returns>
    public bool TrySend(Message answer)
    {
        lock (_queueLock)
        {
            if (_waiting.Count >= MaxWaiting)
            {
                return false;
            }

            _waiting.Enqueue(answer.Encode());
            SendWaiting();
            return true;
        }
    }

    protected override void OnCredit()
    {
        lock (_queueLock)
        {
            SendWaiting();
        }
    }

    private void SendWaiting()
    {
        while (_waiting.TryPeek(out var answer) && TrySend(Copy, answer))
        {
            _waiting.Dequeue();
        }

        if (_waiting.Count == 0)
        {
            MarkCaughtUp();
        }
    }

    private static void Copy(ByteBuffer answer, ByteBufferWriter writer)
    {
        answer.Buffer.AsSpan(answer.Offset, answer.Length).CopyTo(writer.GetSpan(answer.Length));
        writer.Advance(answer.Length);
    }
}

/// <summary>The reply links of one request node on one connection.</summary>
internal sealed class ReplyLinks
{
    private readonly Lock _lock = new();
    private readonly List<ReplyLink> _links = [];

    /// <summary>Accepts a link that the answers go out on.</summary>
    public void Attach(LinkRequest request)
    {
        var link = new ReplyLink(request);
        lock (_lock)
        {
            _links.RemoveAll(known => known.IsClosed);
            _links.Add(link);
        }

        request.AcceptSender(link, request.Attach.Source as Source);
    }

    /// <summary>Detaches every link.</summary>
    public void Detach(Error error)
    {
        ReplyLink[] links;
        lock (_lock)
        {
            links = [.. _links];
            _links.Clear();
        }

        foreach (var link in links)
        {
            link.Detach(error);
        }
    }

    /// <summary>
    /// The link for an answer: the one whose target is the reply-to, before any other of the session, before any other of
    /// the connection, the newest first. Not by reply-to alone: Node writes <c>cbs</c> over a null target (spec/service-amqp.md 2).
    /// </summary>
    public ReplyLink? Find(Session session, string? replyTo)
    {
        lock (_lock)
        {
            return _links.Where(link => !link.IsClosed).Reverse().MaxBy(link =>
                (link.Session == session ? 1 : 0) + (replyTo is not null && link.ReplyTo == replyTo ? 2 : 0));
        }
    }
}
