using System.Net;
using Nave.Bench.Linux;

namespace Nave.Bench.Floor;

/// <summary>
/// The limit beside every figure: a loop that reads packets and answers them, with no broker in it. One thread, no
/// copies, no checks beyond what finding the next packet needs. Runs in a process of its own.
/// </summary>
internal sealed class FloorServer : IDisposable
{
    private const int BufferBytes = 64 * 1024; // Also the largest packet.
    private const int ListenerToken = 0;
    private const int AcceptsAtOnce = 64;
    private const long WaitNanoseconds = 100_000_000; // How soon a stop is noticed.

    private readonly Epoll _epoll = new();
    private readonly int _listener;
    private readonly Dictionary<int, byte[]> _unread = []; // By descriptor: the first part of a packet.
    private readonly byte[] _buffer = new byte[BufferBytes];
    private readonly byte[] _answers = new byte[BufferBytes];

    public FloorServer(IPEndPoint local)
    {
        (_listener, Port) = RawSocket.Listen(local);
        _epoll.Watch(_listener, ListenerToken, Epoll.In);
    }

    public int Port { get; }

    public void Run(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            var ready = _epoll.Wait(WaitNanoseconds);
            for (var i = 0; i < ready; i++)
            {
                var token = _epoll.TokenAt(i);
                if (token is ListenerToken)
                {
                    Accept();
                }
                else if (!TryServe(token))
                {
                    _unread.Remove(token);
                    _ = Libc.Close(token);
                }
            }
        }
    }

    public void Dispose()
    {
        _ = Libc.Close(_listener);
        _epoll.Dispose();
    }

    private void Accept()
    {
        for (var i = 0; i < AcceptsAtOnce && RawSocket.Accept(_listener) is var fd && fd >= 0; i++)
        {
            _epoll.Watch(fd, fd, Epoll.In); // Descriptor 0 is standard input: never a connection.
        }
    }

    /// <returns>False when the connection is over.</returns>
    private bool TryServe(int fd)
    {
        var carried = _unread.Count > 0 && _unread.Remove(fd, out var unread) ? Carry(unread) : 0;
        var read = RawSocket.Read(fd, _buffer.AsSpan(carried));
        if (read is RawSocket.Gone)
        {
            return false;
        }

        var bytes = _buffer.AsSpan(0, carried + read);
        var used = FloorAnswers.Write(bytes, _answers, out var answerBytes);
        if (used < 0 || bytes.Length - used == BufferBytes)
        {
            return false;
        }

        if (used < bytes.Length)
        {
            _unread[fd] = bytes[used..].ToArray();
        }

        // A peer that does not read its acknowledgements is cut: a floor has no queues.
        return answerBytes is 0 || RawSocket.Write(fd, _answers.AsSpan(0, answerBytes)) == answerBytes;
    }

    private int Carry(byte[] unread)
    {
        unread.CopyTo(_buffer, 0);
        return unread.Length;
    }
}
