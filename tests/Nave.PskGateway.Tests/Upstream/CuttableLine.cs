using System.Net;
using System.Net.Sockets;

namespace Nave.PskGateway.Tests.Upstream;

/// <summary>A line to the hub that a test can hold and cut: what comes in on its port goes on to the hub's.</summary>
internal sealed class CuttableLine : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly int _hubPort;
    private readonly Lock _lock = new();
    private readonly List<Socket> _sockets = [];
    private readonly List<Task> _pumps = [];
    private readonly Task _accepting;
    private TaskCompletionSource _answersFlow = Completed();

    public CuttableLine(int hubPort)
    {
        _hubPort = hubPort;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Connections that were made over it.</summary>
    public int Accepted { get; private set; }

    /// <summary>What the hub says from now on waits on the line.</summary>
    public void HoldAnswers() => _answersFlow = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Breaks every connection; new ones work.</summary>
    public void Cut()
    {
        Socket[] all;
        lock (_lock)
        {
            all = [.. _sockets];
            _sockets.Clear();
        }

        foreach (var socket in all)
        {
            socket.Dispose();
        }

        Interlocked.Exchange(ref _answersFlow, Completed()).TrySetResult();
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Stop();
        await _accepting;
        Cut();
        await Task.WhenAll(_pumps);
    }

    private static TaskCompletionSource Completed()
    {
        var source = new TaskCompletionSource();
        source.SetResult();
        return source;
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var inner = await _listener.AcceptSocketAsync();
                Accepted++;
                var outer = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                lock (_lock)
                {
                    _sockets.AddRange([inner, outer]);
                }

                _pumps.Add(RunAsync(inner, outer));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // The test is over.
        }
    }

    private async Task RunAsync(Socket inner, Socket outer)
    {
        try
        {
            await outer.ConnectAsync(IPAddress.Loopback, _hubPort);
            await Task.WhenAny(PumpAsync(inner, outer, isAnswer: false), PumpAsync(outer, inner, isAnswer: true));
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Cut before it was there.
        }

        inner.Dispose();
        outer.Dispose();
    }

    private async Task PumpAsync(Socket from, Socket to, bool isAnswer)
    {
        var buffer = new byte[16 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer) is var count and > 0)
            {
                if (isAnswer)
                {
                    await _answersFlow.Task;
                }

                await to.SendAsync(buffer.AsMemory(0, count));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Cut.
        }
    }
}
