using System.Runtime.InteropServices;
using Nave.Bench.Linux;
using Nave.Bench.Mqtt;

namespace Nave.Bench.Load;

internal enum ConnectionState
{
    Closed,
    TcpConnecting,
    TlsHandshaking,
    AwaitingConnectAnswer,
    Open,
}

/// <summary>
/// One connection: its socket (and TLS session), its ring of slots and what is half sent or half read. Belongs to one
/// lane; decides nothing.
/// </summary>
internal sealed class LoadConnection(int number, byte[] connectPacket, PublishBlock? block)
{
    private readonly long[] _sentAt = new long[block?.Slots ?? 0]; // 0: the slot is free.
    private int _fd = -1;
    private nint _tls;
    private int _nextSlot;
    private int _oldestPing;
    private int _writeFrom;
    private int _writeTo;
    private byte[] _unread = [];

    public int Number => number;

    /// <summary>True for a connection that only stays connected.</summary>
    public bool IsIdle => block is null;

    public bool IsTls => _tls is not 0;

    public int Descriptor => _fd;

    public ConnectionState State { get; set; }

    public long OpenedAt { get; set; }

    public bool WantsWrite { get; set; }

    public int SlotsInFlight { get; private set; }

    /// <summary>Slots sent so far.</summary>
    public long SlotsSent { get; private set; }

    /// <summary>With a rate: slots that are due and not yet sent.</summary>
    public long SlotsDue { get; set; }

    public bool HasUnsentBytes => _writeFrom < _writeTo;

    public void Attach(int fd, long now)
    {
        _fd = fd;
        OpenedAt = now;
        State = ConnectionState.TcpConnecting;
    }

    public void StartTls(nint context, string serverName, bool checkName)
    {
        _tls = OpenSsl.CreateSession(context, _fd, serverName, checkName);
        State = ConnectionState.TlsHandshaking;
    }

    /// <returns>0 when done, <see cref="OpenSsl.WantRead"/>, <see cref="OpenSsl.WantWrite"/> or another error.</returns>
    public int ContinueHandshake()
    {
        OpenSsl.ClearErrors();
        var result = OpenSsl.DoHandshake(_tls);
        return result is 1 ? 0 : OpenSsl.GetError(_tls, result);
    }

    public bool TrySendConnect() => Write(connectPacket) == connectPacket.Length;

    public bool TrySend(ReadOnlySpan<byte> packet) => Write(packet) == packet.Length;

    /// <summary>Takes free slots, in ring order and up to the ring's end, as sent at the given moment.</summary>
    /// <returns>How many; their bytes are then unsent.</returns>
    public int ClaimSlots(int atMost, long sentAt)
    {
        var claimed = 0;
        var limit = Math.Min(atMost, _sentAt.Length - _nextSlot);
        while (claimed < limit && _sentAt[_nextSlot + claimed] is 0)
        {
            _sentAt[_nextSlot + claimed++] = sentAt;
        }

        return Claimed(claimed);
    }

    /// <summary>As <see cref="ClaimSlots(int, long)"/>, each slot with the moment it was due.</summary>
    public int ClaimDueSlots(long firstDueAt, double nanosecondsBetween)
    {
        var claimed = 0;
        var limit = Math.Min(SlotsDue, _sentAt.Length - _nextSlot);
        while (claimed < limit && _sentAt[_nextSlot + claimed] is 0)
        {
            _sentAt[_nextSlot + claimed] = firstDueAt + (long)((SlotsSent + claimed) * nanosecondsBetween);
            claimed++;
        }

        SlotsDue -= claimed;
        return Claimed(claimed);
    }

    /// <returns>When the slot with this packet id was sent, or 0 for an id that is not under way. Frees the slot.</returns>
    public long Free(ushort packetId)
    {
        var slot = packetId - 1;
        if ((uint)slot >= (uint)_sentAt.Length || _sentAt[slot] is 0)
        {
            return 0;
        }

        var sentAt = _sentAt[slot];
        _sentAt[slot] = 0;
        SlotsInFlight--;
        return sentAt;
    }

    /// <summary>QoS 0: frees the slot whose PINGREQ was answered.</summary>
    public long FreeOldest()
    {
        var sentAt = Free((ushort)(_oldestPing + 1));
        _oldestPing = sentAt is 0 ? _oldestPing : (_oldestPing + 1) % _sentAt.Length;
        return sentAt;
    }

    /// <returns>True when nothing is left unsent; false when the socket takes no more, or is gone.</returns>
    public bool Flush(out bool isGone)
    {
        isGone = false;
        while (_writeFrom < _writeTo)
        {
            var written = Write(block!.Bytes.AsSpan(_writeFrom, _writeTo - _writeFrom)); // Only slots leave bytes unsent.
            if (written <= 0)
            {
                isGone = written is RawSocket.Gone;
                return false;
            }

            _writeFrom += written;
        }

        return true;
    }

    /// <summary>Reads behind what an earlier read left over.</summary>
    /// <returns>Bytes in the buffer, or <see cref="RawSocket.WouldBlock"/> or <see cref="RawSocket.Gone"/>.</returns>
    public int Read(Span<byte> buffer)
    {
        _unread.CopyTo(buffer);
        var read = ReadMore(buffer[_unread.Length..]);
        return read > 0 ? _unread.Length + read : read;
    }

    public void KeepUnread(ReadOnlySpan<byte> rest)
    {
        if (rest.Length > 0 || _unread.Length > 0)
        {
            _unread = rest.ToArray(); // Rare: a packet that two reads share.
        }
    }

    public void Close()
    {
        if (_tls is not 0)
        {
            OpenSsl.Free(_tls);
            _tls = 0;
        }

        if (_fd >= 0)
        {
            _ = Libc.Close(_fd);
            _fd = -1;
        }

        State = ConnectionState.Closed;
        WantsWrite = false;
        SlotsInFlight = 0; // Nobody will answer them.
        _unread = [];
    }

    private int Claimed(int slots)
    {
        if (slots > 0)
        {
            _writeFrom = _nextSlot * block!.SlotBytes; // There are slots only with a block.
            _writeTo = _writeFrom + (slots * block.SlotBytes);
            _nextSlot = (_nextSlot + slots) % _sentAt.Length;
            SlotsInFlight += slots;
            SlotsSent += slots;
        }

        return slots;
    }

    private unsafe int ReadMore(Span<byte> into)
    {
        if (_tls is 0)
        {
            return RawSocket.Read(_fd, into);
        }

        fixed (byte* buffer = &MemoryMarshal.GetReference(into))
        {
            return TlsResult(OpenSsl.Read(_tls, buffer, into.Length));
        }
    }

    private unsafe int Write(ReadOnlySpan<byte> from)
    {
        if (_tls is 0)
        {
            return RawSocket.Write(_fd, from);
        }

        fixed (byte* buffer = &MemoryMarshal.GetReference(from))
        {
            return TlsResult(OpenSsl.Write(_tls, buffer, from.Length));
        }
    }

    private int TlsResult(int result)
    {
        if (result > 0)
        {
            return result;
        }

        var error = OpenSsl.GetError(_tls, result);
        if (error is OpenSsl.WantRead or OpenSsl.WantWrite)
        {
            return RawSocket.WouldBlock;
        }

        OpenSsl.ClearErrors();
        return RawSocket.Gone;
    }
}
