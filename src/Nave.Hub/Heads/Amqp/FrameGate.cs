namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// Sees every frame of one connection before the AMQP engine does, and keeps from it what would make it recurse, allocate
/// or close without need. Used by the connection's read loop only, save <see cref="OnLocalEnd"/>, <see cref="OnLocalClose"/>
/// and <see cref="OnAuthenticated"/>.
/// </summary>
internal sealed class FrameGate
{
    /// <summary>Bytes of deliveries whose last frame has not come, per connection (design.md 2, "AMQP").</summary>
    public const int MaxIncompleteBytes = 8 * 1024 * 1024;

    // What a peer that has not said who it is may cost: a put-token of 4 KB in a session or two.
    private const int MaxIncompleteBytesUnauthenticated = 64 * 1024;
    private const int MaxSessionsUnauthenticated = 8;
    private const int MaxLinksUnauthenticated = 32;

    private readonly Dictionary<LinkKey, int> _incomplete = [];
    private readonly HashSet<ushort> _endedHere = [];
    private readonly Lock _lock = new();
    private int _incompleteBytes;
    private int _begins;
    private int _attaches;
    private bool _isOpened;
    private volatile bool _isAuthenticated;
    private volatile bool _isClosedHere;

    /// <summary>Whether the frame admitted last is the end of a delivery that its sender took back: its message must be dropped.</summary>
    public bool IsAborted { get; private set; }

    /// <summary>Channel of the frame admitted last.</summary>
    public ushort Channel { get; private set; }

    /// <summary>Whether the frame admitted last may have given senders room: a flow or a disposition.</summary>
    public bool IsProgress { get; private set; }

    /// <summary>From here on the limits of a known peer apply.</summary>
    public void OnAuthenticated() => _isAuthenticated = true;

    /// <summary>We have ended the session on the peer's channel: what it sent before it knew is dropped.</summary>
    public void OnLocalEnd(ushort channel)
    {
        lock (_lock)
        {
            _endedHere.Add(channel);
        }
    }

    /// <summary>We have closed the connection: only the peer's close matters now.</summary>
    public void OnLocalClose() => _isClosedHere = true;

    /// <summary>Decides on one whole frame.</summary>
    /// <param name="bytes">The frame.</param>
    /// <param name="patchAt">Where a byte must become <c>false</c> (0x42) before the engine sees it, or -1.</param>
    /// <param name="violation">The rule broken, for the log, when the verdict is <see cref="GateVerdict.Refuse"/>.</param>
    public GateVerdict Judge(ReadOnlySpan<byte> bytes, out int patchAt, out string violation)
    {
        patchAt = -1;
        violation = "";
        IsAborted = false;
        IsProgress = false;
        if (!AmqpFrame.TryRead(bytes, type: 0, out var frame))
        {
            violation = "malformed frame";
            return GateVerdict.Refuse;
        }

        Channel = frame.Channel;
        if (frame.Performative is Performative.None)
        {
            return GateVerdict.Drop; // It has been counted as a sign of life already.
        }

        if (_isClosedHere && frame.Performative is not Performative.Close)
        {
            return GateVerdict.Drop;
        }

        if (frame.Performative is Performative.Open == _isOpened && frame.Performative is not Performative.Close)
        {
            violation = _isOpened ? "second OPEN" : "frame before OPEN";
            return GateVerdict.Refuse;
        }

        if (frame.Performative is not (Performative.End or Performative.Begin) && IsEndedHere(frame.Channel))
        {
            return GateVerdict.Drop;
        }

        switch (frame.Performative)
        {
            case Performative.Open:
                _isOpened = true;
                return GateVerdict.Pass;
            case Performative.Begin:
                return Count(ref _begins, MaxSessionsUnauthenticated, "sessions before authentication", out violation);
            case Performative.Attach:
                return Count(ref _attaches, MaxLinksUnauthenticated, "links before authentication", out violation);
            case Performative.Transfer:
                return JudgeTransfer(frame, out patchAt, out violation);
            case Performative.Flow or Performative.Disposition:
                IsProgress = true;
                return GateVerdict.Pass;
            case Performative.Detach:
                Forget(new LinkKey(frame.Channel, AmqpFrame.ReadUInt(frame.Field(0, out _))));
                return GateVerdict.Pass;
            case Performative.End:
                ForgetSession(frame.Channel);
                return GateVerdict.Pass;
            case Performative.Close:
                return GateVerdict.Pass;
            default:
                violation = "unknown performative";
                return GateVerdict.Refuse;
        }
    }

    private GateVerdict Count(ref int count, int limit, string what, out string violation)
    {
        var isOver = ++count > limit && !_isAuthenticated;
        violation = isOver ? what : "";
        return isOver ? GateVerdict.Refuse : GateVerdict.Pass;
    }

    private GateVerdict JudgeTransfer(in AmqpFrame frame, out int patchAt, out string violation)
    {
        patchAt = -1;
        violation = "";
        var key = new LinkKey(frame.Channel, AmqpFrame.ReadUInt(frame.Field(0, out _)));
        var more = frame.Field(5, out var moreAt);
        IsAborted = AmqpFrame.ReadBoolean(frame.Field(9, out _));
        var isLast = !AmqpFrame.ReadBoolean(more);
        if (IsAborted && !isLast)
        {
            // AMQP 1.0 part 2.7.5: more is ignored when aborted is set. The engine knows no aborted: it shall see an end.
            patchAt = moreAt + more.Length - 1;
            isLast = true;
            if (more.Length == 2)
            {
                patchAt = -1;
                violation = "aborted transfer in an unusual encoding";
                return GateVerdict.Refuse;
            }
        }

        if (isLast)
        {
            Forget(key);
            return GateVerdict.Pass;
        }

        _incomplete[key] = _incomplete.GetValueOrDefault(key) + frame.PayloadBytes;
        _incompleteBytes += frame.PayloadBytes;
        if (_incompleteBytes > (_isAuthenticated ? MaxIncompleteBytes : MaxIncompleteBytesUnauthenticated))
        {
            violation = "too many bytes of incomplete deliveries";
            return GateVerdict.Refuse;
        }

        return GateVerdict.Pass;
    }

    private void Forget(LinkKey key)
    {
        if (_incomplete.Remove(key, out var bytes))
        {
            _incompleteBytes -= bytes;
        }
    }

    private void ForgetSession(ushort channel)
    {
        lock (_lock)
        {
            _endedHere.Remove(channel);
        }

        foreach (var key in _incomplete.Keys.Where(key => key.Channel == channel).ToArray())
        {
            Forget(key);
        }
    }

    private bool IsEndedHere(ushort channel)
    {
        lock (_lock)
        {
            return _endedHere.Count > 0 && _endedHere.Contains(channel);
        }
    }

    private readonly record struct LinkKey(ushort Channel, uint Handle);
}

/// <summary>What becomes of a frame.</summary>
internal enum GateVerdict
{
    /// <summary>The engine sees it.</summary>
    Pass,

    /// <summary>The engine does not see it.</summary>
    Drop,

    /// <summary>The connection ends.</summary>
    Refuse,
}
