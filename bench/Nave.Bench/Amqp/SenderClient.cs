using System.Buffers.Binary;
using Nave.Bench.Load;

namespace Nave.Bench.Amqp;

/// <summary>Sends unsettled transfers, as many under way as the window and the peer's credit allow, and counts their outcomes.</summary>
internal sealed class SenderClient : AmqpClient
{
    private readonly TimeProvider _time;
    private readonly byte[] _transfer;
    private readonly int _numberAt;
    private readonly long[] _sentAt;
    private uint _next;
    private uint _sessionLimit; // Delivery numbers below this one fit into the peer's window.
    private uint _creditLimit;
    private uint _answered;

    public SenderClient(int port, AmqpLogin? login, string address, int payloadBytes, int window, TimeProvider time)
    {
        (_time, _sentAt) = (time, new long[window]);
        var tag = AmqpBytes.Binary("tag0"u8);
        _transfer = AmqpBytes.Frame(
            AmqpBytes.List(AmqpBytes.Transfer, AmqpBytes.UInt(0), AmqpBytes.UInt(0), tag, AmqpBytes.UInt(0), AmqpBytes.Bool(false)),
            AmqpBytes.DataMessage(payloadBytes));
        _numberAt = AmqpBytes.HeaderBytes + 12 + 5 + 1; // Behind the list's head and the handle.
        Connect(port, login, AmqpBytes.List(
            AmqpBytes.Attach, AmqpBytes.String($"sender-{Environment.ProcessId}-{Descriptor}"), AmqpBytes.UInt(0), AmqpBytes.Bool(false),
            AmqpBytes.UByte(0), AmqpBytes.UByte(0), // unsettled; the receiver settles first
            AmqpBytes.List(AmqpBytes.Source, AmqpBytes.String("sender")),
            AmqpBytes.List(AmqpBytes.Target, AmqpBytes.String(address)),
            AmqpBytes.Null, AmqpBytes.Null, AmqpBytes.UInt(0)));
    }

    /// <summary>Transfers that were accepted.</summary>
    public long Accepted { get; private set; }

    /// <summary>Transfers that got another outcome.</summary>
    public long Refused { get; private set; }

    /// <summary>From the transfer's encoding to its outcome.</summary>
    public LatencyHistogram Latencies { get; set; } = new();

    /// <summary>Sends what may be sent.</summary>
    public void Fill()
    {
        var limit = Math.Min(Math.Min(_answered + (uint)_sentAt.Length, _creditLimit), _sessionLimit);
        if (_next >= limit || HasUnsent)
        {
            return;
        }

        var now = _time.GetTimestamp();
        for (; _next < limit; _next++)
        {
            var frame = Reserve(_transfer.Length);
            _transfer.CopyTo(frame);
            BinaryPrimitives.WriteUInt32BigEndian(frame[_numberAt..], _next);
            BinaryPrimitives.WriteUInt32BigEndian(frame[(_numberAt + 4 + 5)..], _next); // The tag, behind its constructor.
            _sentAt[_next % _sentAt.Length] = now;
        }

        Flush();
    }

    protected override void OnFrame(in RawFrame frame)
    {
        switch (frame.Code)
        {
            case AmqpBytes.Flow:
                _sessionLimit = (frame.Number(0) ?? 0) + (frame.Number(1) ?? 0);
                if (frame.Number(4) is not null)
                {
                    _creditLimit = (frame.Number(5) ?? 0) + (frame.Number(6) ?? 0);
                }

                break;
            case AmqpBytes.Disposition:
                OnDisposition(frame);
                break;
            default:
                break;
        }
    }

    private void OnDisposition(in RawFrame frame)
    {
        var first = frame.Number(1) ?? 0;
        var last = frame.Number(2) ?? first;
        var isAccepted = frame.Field(4) is [0x00, 0x53, AmqpBytes.Accepted, ..];
        var now = _time.GetTimestamp();
        for (var number = first; number <= last; number++)
        {
            Latencies.Record((long)_time.GetElapsedTime(_sentAt[number % _sentAt.Length], now).TotalNanoseconds);
        }

        var count = last - first + 1;
        _answered += count;
        (Accepted, Refused) = isAccepted ? (Accepted + count, Refused) : (Accepted, Refused + count);
    }
}
