using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;

namespace Nave.Hub.Hosting.Sockets;

/// <summary>An accepted connection on its loop. What it does not need until somebody asks is made then.</summary>
internal sealed class SocketConnection : ConnectionContext, IDuplexPipe, IConnectionIdFeature, IConnectionTransportFeature,
    IConnectionItemsFeature, IConnectionLifetimeFeature, IConnectionEndPointFeature
{
    // What a peer that is turned away may have sent meanwhile: unread bytes would make the system reset the connection,
    // and what was sent to it last be lost.
    private const int DrainedAtEnd = 1024 * 1024;

    private readonly Socket _socket;
    private readonly SocketLoop _loop;
    private readonly SocketReader _reader;
    private readonly SocketWriter _writer;
    private readonly SocketFeatures _features;
    private readonly Lock _lock = new(); // Over the end.
    private IDictionary<object, object?>? _items;
    private string? _connectionId;
    private CancellationTokenSource? _closed;
    private bool _isClosed; // By us.
    private bool _isOver; // By whomever.

    /// <summary>Takes the socket over, also where this fails.</summary>
    public SocketConnection(Socket socket, SocketLoop loop)
    {
        _socket = socket;
        _loop = loop;
        _reader = new SocketReader(socket, loop);
        _writer = new SocketWriter(socket);
        _features = new SocketFeatures(this);
        Transport = this;
        try
        {
            socket.NoDelay = true;
            socket.Blocking = false;
            RemoteEndPoint = socket.RemoteEndPoint;
            loop.Add(this, socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>By which the loop knows it. Never that of another connection; set by the loop.</summary>
    public long Token { get; set; }

    /// <inheritdoc cref="SocketLoop.Later"/>
    public Action<IThreadPoolWorkItem> Later => _loop.Later;

    /// <inheritdoc/>
    public override string ConnectionId
    {
        get => _connectionId ??= SocketConnectionId.Next();
        set => _connectionId = value;
    }

    /// <inheritdoc/>
    public override IDuplexPipe Transport { get; set; }

    /// <inheritdoc/>
    public override IFeatureCollection Features => _features;

    /// <inheritdoc/>
    public override IDictionary<object, object?> Items
    {
        get => _items ??= new ConnectionItems();
        set => _items = value;
    }

    /// <inheritdoc/>
    public override EndPoint? RemoteEndPoint { get; set; }

    /// <inheritdoc/>
    public override EndPoint? LocalEndPoint
    {
        get => _isClosed ? null : _socket.LocalEndPoint;
        set => throw new NotSupportedException("Where a connection has come in is a fact.");
    }

    /// <inheritdoc/>
    public override CancellationToken ConnectionClosed
    {
        get
        {
            lock (_lock)
            {
                if (_closed is null)
                {
                    _closed = new CancellationTokenSource();
                    if (_isOver)
                    {
                        _closed.Cancel(); // Nobody has registered yet: nothing runs under the lock.
                    }
                }

                return _closed.Token;
            }
        }

        set => throw new NotSupportedException("The transport says when it is closed.");
    }

    /// <inheritdoc/>
    PipeReader IDuplexPipe.Input => _reader;

    /// <inheritdoc/>
    PipeWriter IDuplexPipe.Output => _writer;

    /// <inheritdoc cref="SocketWait{TResult}.ResumeOnLoop"/>
    public void ResumeOnLoop()
    {
        _reader.ResumeOnLoop();
        _writer.ResumeOnLoop();
    }

    /// <summary>The socket's readiness has changed. On the loop's thread.</summary>
    public void OnReady(uint events)
    {
        var isEnding = (events & Epoll.Ended) != 0;
        if ((events & Epoll.Failed) != 0)
        {
            TellClosed();
        }

        if (isEnding || (events & Epoll.Writable) != 0)
        {
            _writer.OnWritable();
        }

        if (isEnding || (events & Epoll.Readable) != 0)
        {
            _reader.OnReadable(isEnding);
        }
    }

    /// <inheritdoc/>
    public override void Abort() => Abort(new ConnectionAbortedException());

    /// <inheritdoc/>
    public override void Abort(ConnectionAbortedException abortReason) => Abort(abortReason, isOrderly: true);

    /// <summary>Cuts the connection off as a dead network would: a reset instead of an orderly end.</summary>
    public void Reset()
    {
        try
        {
            _socket.LingerState = new LingerOption(enable: true, seconds: 0);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It has gone by itself.
        }

        Abort(new ConnectionAbortedException("The connection is reset."), isOrderly: false);
    }

    /// <inheritdoc/>
    public override ValueTask DisposeAsync()
    {
        End();
        return base.DisposeAsync(); // Which does nothing.
    }

    private void End()
    {
        _writer.Complete();
        _reader.Complete();
        Close(isOrderly: true);
        _reader.Release();
        _writer.Release();
    }

    private void Abort(ConnectionAbortedException reason, bool isOrderly)
    {
        _reader.Fail(reason);
        _writer.Fail();
        Close(isOrderly);
    }

    private void Close(bool isOrderly)
    {
        lock (_lock)
        {
            if (_isClosed)
            {
                return;
            }

            _isClosed = true;
        }

        _loop.Remove(this);
        try
        {
            if (isOrderly)
            {
                _socket.Shutdown(SocketShutdown.Send);
                Drain();
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The peer has gone first.
        }

        _socket.Dispose();
        TellClosed();
    }

    // Who hears of it may take its time.
    private void TellClosed()
    {
        lock (_lock)
        {
            _isOver = true;
            if (_closed is { } closed)
            {
                ThreadPool.UnsafeQueueUserWorkItem(static closed => closed.Cancel(), closed, preferLocal: false);
            }
        }
    }

    private void Drain()
    {
        Span<byte> dropped = stackalloc byte[4096];
        for (var left = DrainedAtEnd; left > 0; left -= dropped.Length)
        {
            if (_socket.Receive(dropped, SocketFlags.None, out var error) is 0 || error is not SocketError.Success)
            {
                return;
            }
        }
    }
}
