using Nave.Bench.Linux;

namespace Nave.Bench.Amqp;

/// <summary>Runs connections in one thread: each reads when there is something, and writes the rest when there is room.</summary>
internal sealed class ClientLoop<TClient> : IDisposable
    where TClient : AmqpClient
{
    private const long WaitNanoseconds = 5_000_000; // How late the end is noticed.

    private readonly IReadOnlyList<TClient> _clients;
    private readonly bool[] _isWriting;
    private readonly Epoll _epoll = new();

    public ClientLoop(IReadOnlyList<TClient> clients)
    {
        _clients = clients;
        _isWriting = new bool[clients.Count];
        for (var i = 0; i < clients.Count; i++)
        {
            _epoll.Watch(clients[i].Descriptor, i, Epoll.In);
        }
    }

    /// <summary>What ended a connection; null while all are alive.</summary>
    public string? Failure { get; private set; }

    /// <param name="isOver">Asked after each turn.</param>
    /// <param name="afterRead">What a connection does when it has read.</param>
    public void Run(Func<bool> isOver, Action<TClient> afterRead)
    {
        while (Failure is null && !isOver())
        {
            var count = _epoll.Wait(WaitNanoseconds);
            for (var i = 0; i < count; i++)
            {
                var token = _epoll.TokenAt(i);
                var client = _clients[token];
                if ((_epoll.EventsAt(i) & Epoll.Out) != 0)
                {
                    client.Flush();
                }

                if ((_epoll.EventsAt(i) & (Epoll.In | Epoll.ErrorOrHangUp)) != 0)
                {
                    client.Pump();
                }

                afterRead(client);
                Watch(token, client);
                Failure ??= client.Failure;
            }
        }
    }

    /// <summary>Watches for room after a write outside the loop.</summary>
    public void Watch()
    {
        for (var i = 0; i < _clients.Count; i++)
        {
            Watch(i, _clients[i]);
        }
    }

    public void Dispose() => _epoll.Dispose();

    private void Watch(int token, TClient client)
    {
        if (client.HasUnsent != _isWriting[token])
        {
            _isWriting[token] = client.HasUnsent;
            _epoll.Change(client.Descriptor, token, client.HasUnsent ? Epoll.In | Epoll.Out : Epoll.In);
        }
    }
}
