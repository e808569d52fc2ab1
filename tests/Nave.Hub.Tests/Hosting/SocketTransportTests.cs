using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.Logging.Abstractions;
using Nave.Hub.Hosting.Sockets;

namespace Nave.Hub.Tests.Hosting;

/// <summary>docs/decisions/0025-socket-transport.md. On other systems the transport is not used.</summary>
public sealed class SocketTransportTests
{
    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Bytes_come_and_go_in_order_whatever_pieces_they_are_read_in()
    {
        await using var pair = await Pair.OpenAsync();
        pair.Connection.ResumeOnLoop();
        var sent = Bytes(1_000_000);

        var sending = pair.Peer.SendAsync(sent, Stopping).AsTask();
        var received = new List<byte>();
        while (received.Count < sent.Length)
        {
            var read = await pair.Input.ReadAsync(Stopping);

            // Half of it is taken, as of a packet whose end is still to come.
            var taken = read.Buffer.Slice(0, (read.Buffer.Length + 1) / 2);
            foreach (var segment in taken)
            {
                received.AddRange(segment.Span);
            }

            pair.Input.AdvanceTo(taken.End);
        }

        await sending;
        Assert.Equal(sent, received);
    }

    [Fact]
    public async Task What_was_examined_and_left_comes_again_with_what_follows()
    {
        await using var pair = await Pair.OpenAsync();
        await pair.Peer.SendAsync(new byte[] { 1, 2, 3 }, Stopping);
        var first = await pair.ReadUntilAsync(3);
        pair.Input.AdvanceTo(first.Buffer.GetPosition(1), first.Buffer.End);
        var second = pair.Input.ReadAsync(Stopping);
        Assert.False(second.IsCompleted);

        await pair.Peer.SendAsync(new byte[] { 4 }, Stopping);

        Assert.Equal([2, 3, 4], System.Buffers.BuffersExtensions.ToArray((await second).Buffer));
    }

    [Fact]
    public async Task What_was_not_examined_is_there_at_once()
    {
        await using var pair = await Pair.OpenAsync();
        await pair.Peer.SendAsync(new byte[] { 1, 2, 3 }, Stopping);
        var first = await pair.ReadUntilAsync(3);
        pair.Input.AdvanceTo(first.Buffer.Start, first.Buffer.Start);

        var second = pair.Input.ReadAsync(Stopping);

        Assert.True(second.IsCompleted);
        Assert.Equal(3, (await second).Buffer.Length);
    }

    [Fact]
    public async Task What_has_come_before_it_is_asked_for_is_read_at_once_upon_the_pool_and_in_its_turn_upon_the_loop()
    {
        await using var pair = await Pair.OpenAsync();
        await pair.Peer.SendAsync(new byte[] { 1, 2, 3 }, Stopping);
        await pair.ServedAsync();

        var atOnce = pair.Input.ReadAsync(Stopping);

        Assert.True(atOnce.IsCompletedSuccessfully);
        pair.Input.AdvanceTo((await atOnce).Buffer.End);
        pair.Connection.ResumeOnLoop();
        await pair.Peer.SendAsync(new byte[] { 4, 5 }, Stopping);
        await pair.ServedAsync();
        using var isBusy = new ManualResetEventSlim();
        pair.Loop.Post(new Item(() => isBusy.Wait(Stopping)));

        var inTurn = pair.Input.ReadAsync(Stopping);

        Assert.False(inTurn.IsCompleted);
        isBusy.Set();
        Assert.Equal([4, 5], System.Buffers.BuffersExtensions.ToArray((await inTurn).Buffer));
    }

    [Fact]
    public async Task The_end_comes_after_everything_that_was_sent_before_it()
    {
        await using var pair = await Pair.OpenAsync();
        var sent = Bytes(40_000); // More than one read takes.
        await pair.Peer.SendAsync(sent, Stopping);
        pair.Peer.Shutdown(SocketShutdown.Send);

        var length = 0L;
        ReadResult read;
        do
        {
            read = await pair.Input.ReadAsync(Stopping);
            length += read.Buffer.Length;
            pair.Input.AdvanceTo(read.Buffer.End);
        }
        while (!read.IsCompleted);

        Assert.Equal(sent.Length, length);
        Assert.True((await pair.Input.ReadAsync(Stopping)).IsCompleted);
    }

    [Fact]
    public async Task A_peer_that_is_reset_ends_the_read_with_an_IOException_and_the_connection()
    {
        await using var pair = await Pair.OpenAsync();
        var closed = new TaskCompletionSource();
        using var registration = pair.Connection.ConnectionClosed.Register(closed.SetResult);
        var read = pair.Input.ReadAsync(Stopping).AsTask();

        pair.Peer.LingerState = new LingerOption(enable: true, seconds: 0);
        pair.Peer.Close();

        await Assert.ThrowsAsync<ConnectionResetException>(() => read);
        await closed.Task.WaitAsync(Stopping);
    }

    [Fact]
    public async Task A_pending_read_can_be_cancelled_and_the_next_one_reads_on()
    {
        await using var pair = await Pair.OpenAsync();
        var read = pair.Input.ReadAsync(Stopping);
        pair.Input.CancelPendingRead();
        Assert.True((await read).IsCanceled);

        pair.Input.CancelPendingRead(); // Where nothing is pending, the next read is the one.
        Assert.True((await pair.Input.ReadAsync(Stopping)).IsCanceled);

        await pair.Peer.SendAsync(new byte[] { 7 }, Stopping);
        var next = await pair.Input.ReadAsync(Stopping);
        Assert.False(next.IsCanceled);
        Assert.Equal(7, next.Buffer.FirstSpan[0]);
    }

    [Fact]
    public async Task A_token_cancels_its_own_read_only()
    {
        await using var pair = await Pair.OpenAsync();
        using var cancelled = new CancellationTokenSource();
        var read = pair.Input.ReadAsync(cancelled.Token).AsTask();
        await cancelled.CancelAsync();
        await Assert.ThrowsAsync<OperationCanceledException>(() => read);

        await pair.Peer.SendAsync(new byte[] { 7 }, Stopping);
        Assert.Equal(1, (await pair.Input.ReadAsync(Stopping)).Buffer.Length);
    }

    [Fact]
    public async Task A_peer_that_reads_nothing_holds_up_the_flush_and_gets_everything_in_the_end()
    {
        await using var pair = await Pair.OpenAsync();
        var sent = Bytes(20_000_000); // More than the kernel keeps for a connection.

        var flush = pair.Output.WriteAsync(sent, Stopping);
        Assert.False(flush.IsCompleted);

        var received = new byte[sent.Length];
        for (var at = 0; at < received.Length;)
        {
            at += await pair.Peer.ReceiveAsync(received.AsMemory(at), Stopping);
        }

        Assert.False((await flush).IsCompleted);
        Assert.Equal(sent, received);
    }

    [Fact]
    public async Task A_flush_that_waits_completes_when_the_connection_is_aborted()
    {
        await using var pair = await Pair.OpenAsync();
        var flush = pair.Output.WriteAsync(Bytes(20_000_000), Stopping);

        pair.Connection.Abort();

        Assert.True((await flush).IsCompleted);
        Assert.True((await pair.Output.WriteAsync(new byte[] { 1 }, Stopping)).IsCompleted);
    }

    [Fact]
    public async Task Aborting_ends_a_read_that_waits_and_tells_that_the_connection_is_closed()
    {
        await using var pair = await Pair.OpenAsync();
        var read = pair.Input.ReadAsync(Stopping).AsTask();

        pair.Connection.Abort();

        await Assert.ThrowsAsync<ConnectionAbortedException>(() => read);
        Assert.True(pair.Connection.ConnectionClosed.IsCancellationRequested);
    }

    [Fact]
    public async Task The_last_answer_reaches_a_peer_whose_bytes_were_not_all_read()
    {
        await using var pair = await Pair.OpenAsync();
        await pair.Peer.SendAsync(Bytes(100_000), Stopping);
        await pair.Output.WriteAsync(new byte[] { 42 }, Stopping);

        await pair.Connection.DisposeAsync();

        var answer = new byte[2];
        Assert.Equal(1, await pair.Peer.ReceiveAsync(answer, Stopping));
        Assert.Equal(42, answer[0]);
        Assert.Equal(0, await pair.Peer.ReceiveAsync(answer, Stopping));
    }

    [Fact]
    public async Task A_reset_is_one_for_the_peer()
    {
        await using var pair = await Pair.OpenAsync();

        pair.Connection.Reset();

        var e = await Assert.ThrowsAsync<SocketException>(async () => await pair.Peer.ReceiveAsync(new byte[1], Stopping));
        Assert.Equal(SocketError.ConnectionReset, e.SocketErrorCode);
    }

    [Fact]
    public async Task A_connection_goes_on_upon_the_pool_first_and_upon_its_loop_when_it_may()
    {
        await using var pair = await Pair.OpenAsync();

        Assert.True(await ThreadOfNextReadIsPoolsAsync(pair));
        pair.Connection.ResumeOnLoop();
        Assert.False(await ThreadOfNextReadIsPoolsAsync(pair));
    }

    [Fact]
    public async Task A_connection_that_sends_without_end_holds_up_no_other_one_of_its_loop()
    {
        await using var busy = await Pair.OpenAsync();
        await using var other = await Pair.OpenAsync(busy.Loop);
        busy.Connection.ResumeOnLoop();
        other.Connection.ResumeOnLoop();
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Stopping);
        var flood = Task.Run(() => FloodAsync(busy.Peer, enough.Token), Stopping);
        var drain = DrainAsync(busy.Input);

        for (var i = 0; i < 100; i++)
        {
            await other.Peer.SendAsync(new byte[] { (byte)i }, Stopping);
            var read = await other.Input.ReadAsync(Stopping);
            Assert.Equal(i, read.Buffer.FirstSpan[0]);
            other.Input.AdvanceTo(read.Buffer.End);
        }

        Assert.False(flood.IsCompleted);
        await enough.CancelAsync();
        await flood;
        busy.Peer.Close();
        Assert.True(await drain > 0);
    }

    [Fact]
    public async Task A_late_event_of_a_connection_says_nothing_of_the_one_that_has_its_place_now()
    {
        await using var former = await Pair.OpenAsync();
        former.Loop.Remove(former.Connection); // And its socket is still watched.
        await using var next = await Pair.OpenAsync(former.Loop);

        former.Peer.LingerState = new LingerOption(enable: true, seconds: 0);
        former.Peer.Close();
        await next.Peer.SendAsync(new byte[] { 1 }, Stopping);
        await next.ReadUntilAsync(1); // The loop has seen what came before.

        Assert.False(next.Connection.ConnectionClosed.IsCancellationRequested);
    }

    [Fact]
    public async Task A_flush_that_waited_goes_on_upon_the_pool_first_and_upon_the_loop_when_it_may()
    {
        await using var pair = await Pair.OpenAsync();

        Assert.True(await ThreadOfWaitingFlushIsPoolsAsync(pair));
        pair.Connection.ResumeOnLoop();
        Assert.False(await ThreadOfWaitingFlushIsPoolsAsync(pair));
    }

    [Fact]
    public async Task A_loop_may_be_disposed_of_by_what_it_runs_and_again()
    {
        await using var pair = await Pair.OpenAsync();
        pair.Connection.ResumeOnLoop();
        var disposing = DisposeOnLoopAsync();
        await pair.Peer.SendAsync(new byte[] { 1 }, Stopping);
        Assert.False(await disposing);

        pair.Loop.Dispose();
        pair.Loop.Post(new Item(() => { }));

        async Task<bool> DisposeOnLoopAsync()
        {
            await pair.Input.ReadAsync(Stopping);
            pair.Loop.Dispose();
            return Thread.CurrentThread.IsThreadPoolThread;
        }
    }

    [Fact]
    public async Task What_others_set_and_what_the_connection_is_are_its_features()
    {
        await using var pair = await Pair.OpenAsync();
        var features = pair.Connection.Features;

        Assert.Same(pair.Connection, features.Get<IConnectionIdFeature>());
        Assert.Null(features.Get<string>());
        features.Set("first");
        features.Set("second");
        Assert.Equal("second", features.Get<string>());
        Assert.Equal([new(typeof(string), "second")], features);
        features.Set<IConnectionIdFeature>(null);
        Assert.Null(features.Get<IConnectionIdFeature>());
        Assert.NotEqual(SocketConnectionId.Next(), pair.Connection.ConnectionId);
    }

    private static byte[] Bytes(int count)
    {
        var bytes = new byte[count];
        new Random(25).NextBytes(bytes);
        return bytes;
    }

    private static async Task<bool> ThreadOfNextReadIsPoolsAsync(Pair pair)
    {
        var read = ReadAsync();
        await pair.Peer.SendAsync(new byte[] { 1 }, Stopping);
        return await read;

        async Task<bool> ReadAsync()
        {
            var result = await pair.Input.ReadAsync(Stopping);
            pair.Input.AdvanceTo(result.Buffer.End);
            return Thread.CurrentThread.IsThreadPoolThread;
        }
    }

    private static async Task<bool> ThreadOfWaitingFlushIsPoolsAsync(Pair pair)
    {
        var sent = Bytes(20_000_000); // More than the kernel keeps for a connection.
        var flush = FlushAsync();
        Assert.False(flush.IsCompleted);
        var received = new byte[sent.Length];
        for (var at = 0; at < received.Length;)
        {
            at += await pair.Peer.ReceiveAsync(received.AsMemory(at), Stopping);
        }

        return await flush;

        async Task<bool> FlushAsync()
        {
            await pair.Output.WriteAsync(sent, Stopping);
            return Thread.CurrentThread.IsThreadPoolThread;
        }
    }

    private static async Task FloodAsync(Socket peer, CancellationToken enough)
    {
        var bytes = new byte[64 * 1024];
        try
        {
            while (true)
            {
                await peer.SendAsync(bytes, enough);
            }
        }
        catch (OperationCanceledException)
        {
            // It is enough.
        }
    }

    private static async Task<long> DrainAsync(PipeReader input)
    {
        var drained = 0L;
        while (true)
        {
            var read = await input.ReadAsync(Stopping);
            drained += read.Buffer.Length;
            input.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                return drained;
            }
        }
    }

    private sealed class Item(Action run) : IThreadPoolWorkItem
    {
        public void Execute() => run();
    }

    /// <summary>A connection and the peer's socket.</summary>
    private sealed class Pair(Socket peer, SocketConnection connection, SocketLoop loop, bool ownsLoop) : IAsyncDisposable
    {
        public Socket Peer => peer;

        public SocketConnection Connection => connection;

        public SocketLoop Loop => loop;

        public PipeReader Input => connection.Transport.Input;

        public PipeWriter Output => connection.Transport.Output;

        public static async Task<Pair> OpenAsync(SocketLoop? loop = null)
        {
            Assert.SkipUnless(SocketTransport.IsSupported, "Linux only.");
            var owned = loop ?? new SocketLoop("test", NullLogger.Instance);
            using var listening = new Socket(SocketType.Stream, ProtocolType.Tcp);
            listening.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            listening.Listen();
            var peer = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await peer.ConnectAsync(listening.LocalEndPoint!, Stopping);
            return new Pair(peer, new SocketConnection(await listening.AcceptAsync(Stopping), owned), owned, loop is null);
        }

        /// <summary>The loop has told the connection of everything that had happened to its socket.</summary>
        public async Task ServedAsync()
        {
            // Two rounds: the first may be one that had begun before.
            var served = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            loop.Post(new Item(() => loop.Post(new Item(served.SetResult))));
            await served.Task;
        }

        public async Task<ReadResult> ReadUntilAsync(int bytes)
        {
            while (true)
            {
                var read = await Input.ReadAsync(Stopping);
                if (read.Buffer.Length >= bytes)
                {
                    return read;
                }

                Input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
            }
        }

        public async ValueTask DisposeAsync()
        {
            peer.Dispose();
            await connection.DisposeAsync();
            if (ownsLoop)
            {
                loop.Dispose();
            }
        }
    }
}
