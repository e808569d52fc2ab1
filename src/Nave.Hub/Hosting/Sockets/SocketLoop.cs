using System.Collections.Concurrent;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Nave.Hub.Hosting.Sockets;

/// <summary>
/// A thread that serves many connections: waits until some of them can be read or written, and goes on with each where it
/// left off, on this thread, until it would wait. What it runs therefore never blocks.
/// </summary>
/// <remarks>
/// A connection gets one read a round, so that one that sends without end holds up nobody. A token is an index that is
/// used again, and how often it was: a late event of the connection before does not tell the next one that it has ended.
/// </remarks>
internal sealed partial class SocketLoop : IDisposable
{
    [ThreadStatic]
    private static SocketLoop? _ofThisThread;

    private readonly Epoll _epoll = new();
    private readonly ConcurrentQueue<IThreadPoolWorkItem> _posted = new();
    private readonly ILogger _logger;
    private readonly Thread _thread;
    private readonly Lock _lock = new(); // Over the connections' places.
    private readonly Stack<int> _free = new();
    private volatile SocketConnection?[] _connections = new SocketConnection?[64];
    private int _used;
    private uint _added;
    private int _isAsleep;
    private volatile bool _isStopping;

    public SocketLoop(string name, ILogger logger)
    {
        _logger = logger;
        Later = Post;
        _thread = new Thread(Run) { IsBackground = true, Name = name };
        _thread.Start();
    }

    /// <summary><see cref="Post"/>, made once.</summary>
    public Action<IThreadPoolWorkItem> Later { get; }

    /// <summary>Takes a connection in, and gives it its token.</summary>
    public void Add(SocketConnection connection, Socket socket)
    {
        lock (_lock)
        {
            if (!_free.TryPop(out var place))
            {
                place = _used++;
                if (place == _connections.Length)
                {
                    var larger = _connections;
                    Array.Resize(ref larger, _used * 2);
                    _connections = larger;
                }
            }

            connection.Token = ((long)_added++ << 32) | (uint)place;
            _connections[place] = connection;
        }

        try
        {
            _epoll.Watch(socket, connection.Token);
        }
        catch
        {
            Remove(connection);
            throw;
        }
    }

    /// <summary>Forgets a connection.</summary>
    public void Remove(SocketConnection connection)
    {
        lock (_lock)
        {
            var place = PlaceOf(connection.Token);
            _connections[place] = null;
            _free.Push(place);
        }
    }

    /// <summary>Has the item executed on this thread, in the round after this one. Any thread may call.</summary>
    public void Post(IThreadPoolWorkItem item)
    {
        _posted.Enqueue(item);
        if (_ofThisThread != this && Interlocked.Exchange(ref _isAsleep, 0) is 1)
        {
            _epoll.Ring();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _isStopping = true;
        _epoll.Ring();
        if (_ofThisThread != this)
        {
            _thread.Join();
        }
    }

    // The low half of a token.
    private static int PlaceOf(long token) => (int)token;

    private void Run()
    {
        _ofThisThread = this;
        using var epoll = _epoll; // In use until the last event is served, whoever disposes of this.
        while (!_isStopping)
        {
            // Whoever posts after this rings; what was posted before it is seen here.
            Interlocked.Exchange(ref _isAsleep, 1);
            var events = _epoll.Wait(forEver: _posted.IsEmpty);
            Volatile.Write(ref _isAsleep, 0);
            for (var i = 0; i < events; i++)
            {
                if (_epoll.TokenAt(i) is var token and not Epoll.AlarmToken
                    && _connections[PlaceOf(token)] is { } connection && connection.Token == token)
                {
                    Serve(connection, _epoll.EventsAt(i));
                }
            }

            for (var left = _posted.Count; left > 0 && _posted.TryDequeue(out var item); left--)
            {
                Execute(item);
            }
        }
    }

    // A broken promise of ours costs a connection and is told; the others are served.
    private void Serve(SocketConnection connection, uint events)
    {
        try
        {
            connection.OnReady(events);
        }
        catch (Exception e)
        {
            Log.Failed(_logger, connection.ConnectionId, e);
            connection.Abort();
        }
    }

    private void Execute(IThreadPoolWorkItem item)
    {
        try
        {
            item.Execute();
        }
        catch (Exception e)
        {
            Log.Failed(_logger, "?", e);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1540, LogLevel.Error, "Connection {ConnectionId} failed on its loop")]
        public static partial void Failed(ILogger logger, string connectionId, Exception exception);
    }
}
