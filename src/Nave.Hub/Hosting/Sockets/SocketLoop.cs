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
/// used again: a late event then meets the connection that came after, which finds nothing to read and goes on waiting.
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

    /// <summary>Takes a connection in.</summary>
    /// <returns>Its place, for <see cref="Remove"/>.</returns>
    public int Add(SocketConnection connection, Socket socket)
    {
        int place;
        lock (_lock)
        {
            if (!_free.TryPop(out place))
            {
                place = _used++;
                if (place == _connections.Length)
                {
                    var larger = _connections;
                    Array.Resize(ref larger, _used * 2);
                    _connections = larger;
                }
            }

            _connections[place] = connection;
        }

        try
        {
            _epoll.Watch(socket, place);
            return place;
        }
        catch
        {
            Remove(place);
            throw;
        }
    }

    /// <summary>Forgets a connection.</summary>
    public void Remove(int place)
    {
        lock (_lock)
        {
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

        _epoll.Dispose();
    }

    private void Run()
    {
        _ofThisThread = this;
        while (!_isStopping)
        {
            // Whoever posts after this rings; what was posted before it is seen here.
            Interlocked.Exchange(ref _isAsleep, 1);
            var events = _epoll.Wait(forEver: _posted.IsEmpty);
            Volatile.Write(ref _isAsleep, 0);
            for (var i = 0; i < events; i++)
            {
                if (_epoll.TokenAt(i) is var place and not Epoll.AlarmToken && _connections[place] is { } connection)
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
