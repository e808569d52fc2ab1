using System.Net.Sockets;
using System.Text;

namespace Nave.Bench.Amqp;

/// <summary>Who connects; without one there is no SASL at all.</summary>
internal sealed record AmqpLogin(string User, string Password);

/// <summary>
/// One connection with one session and one link, on a bare socket: blocking until the link is attached, non-blocking from then on.
/// Shares no code with Nave. One thread.
/// </summary>
internal abstract class AmqpClient : IDisposable
{
    private const int BufferBytes = 512 * 1024;
    private const int MaxFrameBytes = 65536;

    /// <summary>No session is to be what a run waits for.</summary>
    protected const uint SessionWindow = 1_000_000;

    private readonly byte[] _received = new byte[BufferBytes];
    private byte[] _unsent = new byte[64 * 1024];
    private int _filled;
    private int _unsentFrom;
    private int _unsentTo;

    /// <summary>The descriptor, for an epoll set.</summary>
    public int Descriptor => (int)Socket.Handle;

    /// <summary>Why the peer ended the link or the connection; null while it has not.</summary>
    public string? Failure { get; private set; }

    /// <summary>Whether there are bytes that the kernel did not take: the caller watches for room.</summary>
    public bool HasUnsent => _unsentTo > _unsentFrom;

    protected Socket Socket { get; } = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };

    /// <summary>Connects, authenticates, and attaches the link.</summary>
    /// <param name="attach">The ATTACH performative.</param>
    public void Connect(int port, AmqpLogin? login, byte[] attach)
    {
        Socket.Connect("127.0.0.1", port);
        if (login is not null)
        {
            Authenticate(login);
        }

        Send(AmqpBytes.ProtocolHeader);
        Skip(AmqpBytes.ProtocolHeader.Length);
        Send(AmqpBytes.Frame(AmqpBytes.List(AmqpBytes.Open, AmqpBytes.String("nave-bench"), AmqpBytes.String("localhost"), AmqpBytes.UInt(MaxFrameBytes))));
        Send(AmqpBytes.Frame(AmqpBytes.List(
            AmqpBytes.Begin, AmqpBytes.Null, AmqpBytes.UInt(0), AmqpBytes.UInt(SessionWindow), AmqpBytes.UInt(SessionWindow))));
        Send(AmqpBytes.Frame(attach));
        Expect(AmqpBytes.Open);
        Expect(AmqpBytes.Begin);
        Expect(AmqpBytes.Attach);
        Socket.Blocking = false;
        HandleAll(); // The first credit may have come with the attach.
    }

    /// <summary>Reads what is there and handles each whole frame.</summary>
    /// <returns>Bytes read; 0 when there are none.</returns>
    public int Pump()
    {
        var count = Socket.Receive(_received.AsSpan(_filled), SocketFlags.None, out var error);
        if (error is SocketError.WouldBlock or SocketError.Interrupted)
        {
            return 0;
        }

        if (count <= 0)
        {
            Failure ??= "the server closed the connection";
            return 0;
        }

        _filled += count;
        HandleAll();
        return count;
    }

    /// <summary>Hands over what waits, as far as the kernel takes it.</summary>
    public void Flush()
    {
        while (_unsentTo > _unsentFrom)
        {
            var count = Socket.Send(_unsent.AsSpan(_unsentFrom, _unsentTo - _unsentFrom), SocketFlags.None, out var error);
            if (error is not SocketError.Success)
            {
                Failure ??= error is SocketError.WouldBlock or SocketError.Interrupted ? null : $"sending failed: {error}";
                return;
            }

            _unsentFrom += count;
        }

        (_unsentFrom, _unsentTo) = (0, 0);
    }

    public void Dispose() => Socket.Dispose();

    /// <summary>A read has brought something: what follows came no later than now.</summary>
    protected virtual void OnRead()
    {
    }

    /// <summary>A flow, transfer or disposition.</summary>
    protected abstract void OnFrame(in RawFrame frame);

    /// <summary>Room for bytes that leave with the next <see cref="Flush"/>.</summary>
    protected Span<byte> Reserve(int bytes)
    {
        if (_unsentTo + bytes > _unsent.Length)
        {
            Array.Resize(ref _unsent, Math.Max(_unsent.Length * 2, _unsentTo + bytes));
        }

        _unsentTo += bytes;
        return _unsent.AsSpan(_unsentTo - bytes, bytes);
    }

    private void HandleAll()
    {
        OnRead();
        var at = 0;
        while (RawFrame.TryRead(_received.AsSpan(at, _filled - at), out var frame))
        {
            Handle(frame);
            at += frame.TotalBytes;
        }

        _received.AsSpan(at, _filled - at).CopyTo(_received);
        _filled -= at;
    }

    private void Handle(in RawFrame frame)
    {
        switch (frame.Code)
        {
            case AmqpBytes.Flow or AmqpBytes.Transfer or AmqpBytes.Disposition:
                OnFrame(frame);
                break;
            case AmqpBytes.Detach or AmqpBytes.End or AmqpBytes.Close:
                Failure ??= "the server ended the link: " + Encoding.UTF8.GetString(frame.Field(frame.Code is AmqpBytes.Detach ? 2 : 0)).Trim('\0');
                break;
            default:
                break;
        }
    }

    private void Authenticate(AmqpLogin login)
    {
        Send(AmqpBytes.SaslHeader);
        Skip(AmqpBytes.SaslHeader.Length);
        Expect(AmqpBytes.SaslMechanisms);
        var response = Encoding.UTF8.GetBytes($"\0{login.User}\0{login.Password}");
        Send(AmqpBytes.Frame(
            AmqpBytes.List(AmqpBytes.SaslInit, AmqpBytes.Symbol("PLAIN"), AmqpBytes.Binary(response), AmqpBytes.String("localhost")), isSasl: true));
        ReceiveFrame(AmqpBytes.SaslOutcome, out var outcome);
        if (outcome is not 0)
        {
            throw new IOException($"the server refused {login.User}");
        }
    }

    private void Expect(byte code) => ReceiveFrame(code, out _);

    private void ReceiveFrame(byte code, out uint? firstField)
    {
        while (true)
        {
            if (RawFrame.TryRead(_received.AsSpan(0, _filled), out var frame))
            {
                firstField = frame.Number(0);
                var (found, bytes) = (frame.Code, frame.TotalBytes);
                if (found != code)
                {
                    Handle(frame);
                }

                _received.AsSpan(bytes, _filled - bytes).CopyTo(_received);
                _filled -= bytes;
                if (found == code)
                {
                    return;
                }

                if (Failure is { } failure)
                {
                    throw new IOException(failure);
                }
            }
            else
            {
                ReceiveMore();
            }
        }
    }

    private void Skip(int bytes)
    {
        while (_filled < bytes)
        {
            ReceiveMore();
        }

        _received.AsSpan(bytes, _filled - bytes).CopyTo(_received);
        _filled -= bytes;
    }

    private void ReceiveMore()
    {
        var count = Socket.Receive(_received.AsSpan(_filled));
        _filled += count > 0 ? count : throw new IOException("the server closed the connection");
    }

    private void Send(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[Socket.Send(bytes)..];
        }
    }
}
