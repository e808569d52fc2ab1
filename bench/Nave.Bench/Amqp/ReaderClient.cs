using System.Buffers.Binary;
using Nave.Bench.Load;

namespace Nave.Bench.Amqp;

/// <summary>Receives settled deliveries as fast as they come, keeping the credit up, and looks at each event's number and age.</summary>
internal sealed class ReaderClient : AmqpClient
{
    private readonly TimeProvider _time;
    private readonly int _credit;
    private int _granted;
    private uint _deliveries;
    private long _nowMilliseconds;
    private bool _isContinued;

    /// <param name="credit">Deliveries that may come without asking.</param>
    public ReaderClient(int port, AmqpLogin? login, string address, int credit, TimeProvider time)
    {
        (_time, _credit) = (time, credit);
        Connect(port, login, AmqpBytes.List(
            AmqpBytes.Attach, AmqpBytes.String($"reader-{Environment.ProcessId}-{Descriptor}"), AmqpBytes.UInt(0), AmqpBytes.Bool(true),
            AmqpBytes.UByte(1), AmqpBytes.UByte(0), // settled by the sender, first
            AmqpBytes.List(AmqpBytes.Source, AmqpBytes.String(address)),
            AmqpBytes.List(AmqpBytes.Target, AmqpBytes.String("reader"))));
        Grant();
    }

    public long Events { get; private set; }

    public long Bytes { get; private set; }

    /// <summary>The number that the next event must have; what comes otherwise is counted in <see cref="Gaps"/>.</summary>
    public long NextSequence { get; private set; }

    /// <summary>Where to stop; null while that is not known.</summary>
    public long? End { get; set; }

    public bool IsDone => NextSequence >= End;

    public long Gaps { get; private set; }

    /// <summary>From the event's enqueued time, in whole milliseconds, to the read that brought it.</summary>
    public LatencyHistogram Lags { get; } = new();

    /// <summary>Finds the number and the enqueued time among a message's annotations.</summary>
    /// <returns>False for a message without them.</returns>
    public static bool TryReadStamps(ReadOnlySpan<byte> message, out long sequence, out long enqueuedMilliseconds)
    {
        (sequence, enqueuedMilliseconds) = (-1, -1);
        if (message.Length < 16 || message[0] != 0 || message[1] != 0x53 || message[2] != 0x72)
        {
            return false;
        }

        var map = message[(3 + (message[3] is 0xc1 ? 3 : 9))..];
        while (map is [0xa3, _, ..] && (sequence < 0 || enqueuedMilliseconds < 0))
        {
            var key = map.Slice(2, map[1]);
            var value = map[(2 + key.Length)..];
            if (value[0] is 0x81 && key.SequenceEqual("x-opt-sequence-number"u8))
            {
                sequence = BinaryPrimitives.ReadInt64BigEndian(value[1..]);
            }
            else if (value[0] is 0x83 && key.SequenceEqual("x-opt-enqueued-time"u8))
            {
                enqueuedMilliseconds = BinaryPrimitives.ReadInt64BigEndian(value[1..]);
            }

            map = value[RawFrame.Measure(value)..];
        }

        return sequence >= 0 && enqueuedMilliseconds >= 0;
    }

    protected override void OnRead() => _nowMilliseconds = _time.GetUtcNow().ToUnixTimeMilliseconds();

    protected override void OnFrame(in RawFrame frame)
    {
        if (frame.Code is not AmqpBytes.Transfer)
        {
            return;
        }

        Bytes += frame.Payload.Length;
        if (!_isContinued && TryReadStamps(frame.Payload, out var sequence, out var enqueued))
        {
            Gaps += sequence == NextSequence ? 0 : 1;
            NextSequence = sequence + 1;
            Lags.Record((_nowMilliseconds - enqueued) * 1_000_000);
        }

        _isContinued = frame.IsTrue(5);
        if (_isContinued)
        {
            return;
        }

        Events++;
        _deliveries++;
        if (--_granted <= _credit / 2)
        {
            Grant();
        }
    }

    private void Grant()
    {
        _granted = _credit;
        var flow = AmqpBytes.Frame(AmqpBytes.List(
            AmqpBytes.Flow, AmqpBytes.UInt(_deliveries), AmqpBytes.UInt(SessionWindow), AmqpBytes.UInt(0), AmqpBytes.UInt(SessionWindow),
            AmqpBytes.UInt(0), AmqpBytes.UInt(_deliveries), AmqpBytes.UInt((uint)_credit)));
        flow.CopyTo(Reserve(flow.Length));
        Flush();
    }
}
