using System.IO.Pipelines;
using System.Net.WebSockets;

namespace Nave.Hub.Heads;

/// <summary>
/// A WebSocket as a pair of pipes, so that heads read and write it like any other transport. Packets may straddle
/// messages (spec/device-amqp.md 1, spec/device-mqtt.md 1); each flush leaves as one binary message. Text messages end it.
/// </summary>
internal sealed class WebSocketTransport : IDuplexPipe
{
    // How much may wait in either direction before the peer, or the head, has to.
    private static readonly PipeOptions Bounds = new(pauseWriterThreshold: 64 * 1024, resumeWriterThreshold: 32 * 1024, useSynchronizationContext: false);

    // For the last bytes and the closing handshake.
    private static readonly TimeSpan CloseLimit = TimeSpan.FromSeconds(5);

    private readonly WebSocket _socket;
    private readonly TimeProvider _time;
    private readonly Pipe _in = new(Bounds);
    private readonly Pipe _out = new(Bounds);
    private readonly CancellationTokenSource _closed;

    private WebSocketTransport(WebSocket socket, TimeProvider time, CancellationTokenSource closed)
    {
        _socket = socket;
        _time = time;
        _closed = closed;
    }

    public PipeReader Input => _in.Reader;

    public PipeWriter Output => _out.Writer;

    /// <summary>
    /// Serves a WebSocket until the head is done with it, then sends what is left and closes it. Never throws for anything
    /// the peer can cause.
    /// </summary>
    /// <param name="socket">An accepted WebSocket; disposed of by its owner.</param>
    /// <param name="serve">The head, and a token that says that the peer is gone.</param>
    /// <param name="time">The clock of the last wait.</param>
    public static async Task RunAsync(WebSocket socket, Func<IDuplexPipe, CancellationToken, Task> serve, TimeProvider time)
    {
        using var closed = new CancellationTokenSource();
        var transport = new WebSocketTransport(socket, time, closed);
        var receiving = transport.ReceiveAsync();
        var sending = transport.SendAsync();
        try
        {
            await serve(transport, closed.Token);
        }
        finally
        {
            await transport._out.Writer.CompleteAsync();
            await transport._in.Reader.CompleteAsync();
            await transport.CloseAsync(receiving, sending);
        }
    }

    private async Task ReceiveAsync()
    {
        try
        {
            while (true)
            {
                var message = await _socket.ReceiveAsync(_in.Writer.GetMemory(4096), CancellationToken.None);
                if (message.MessageType is not WebSocketMessageType.Binary)
                {
                    break;
                }

                _in.Writer.Advance(message.Count);
                if ((await _in.Writer.FlushAsync()).IsCompleted)
                {
                    break;
                }
            }
        }
        catch (Exception e) when (IsPeerGone(e))
        {
            // A reset is how many peers leave.
        }

        await _in.Writer.CompleteAsync();
        await _closed.CancelAsync();
    }

    private async Task SendAsync()
    {
        try
        {
            while (true)
            {
                var read = await _out.Reader.ReadAsync();
                var rest = read.Buffer;
                while (!rest.IsEmpty)
                {
                    var part = rest.First;
                    rest = rest.Slice(part.Length);
                    await _socket.SendAsync(part, WebSocketMessageType.Binary, endOfMessage: rest.IsEmpty, CancellationToken.None);
                }

                _out.Reader.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    break;
                }
            }
        }
        catch (Exception e) when (IsPeerGone(e))
        {
            // Whoever writes learns it from the completed reader.
        }

        await _out.Reader.CompleteAsync();
    }

    private async Task CloseAsync(Task receiving, Task sending)
    {
        using var deadline = new CancellationTokenSource(CloseLimit, _time);
        try
        {
            await sending.WaitAsync(deadline.Token);
            if (_socket.State is WebSocketState.Open or WebSocketState.CloseReceived)
            {
                await _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, deadline.Token);
            }

            await receiving.WaitAsync(deadline.Token);
        }
        catch (Exception e) when (IsPeerGone(e))
        {
            // It had its time.
        }

        _socket.Abort(); // Ends whichever loop still waits for the peer.
        await Task.WhenAll(receiving, sending);
    }

    private static bool IsPeerGone(Exception exception) =>
        exception is WebSocketException or IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException;
}
