using System.Collections.Concurrent;
using Amqp;
using Microsoft.Extensions.Logging;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// A link on which the hub sends a device what comes up, in order, as the device's credit and the connection allow. What
/// waits is bounded in bytes; whoever enqueues decides what a full link means. One loop sends; any thread may enqueue.
/// </summary>
internal abstract partial class QueuedLink(LinkRequest request, ILogger logger) : OutgoingLink(request)
{
    // A device that gives no credit, or does not read: eight of the largest methods, thirty of the largest twins.
    private const int MaxWaitingBytes = 1024 * 1024;

    private readonly ConcurrentQueue<Waiting> _waiting = new();
    private long _bytes;

    /// <summary>Has the message sent when it may be.</summary>
    /// <param name="message">Encoded now.</param>
    /// <param name="isWanted">Asked just before it is sent; null where it always is.</param>
    /// <returns>False when too much waits, or the link is gone.</returns>
    public bool TryEnqueue(Message message, Func<bool>? isWanted = null)
    {
        var encoded = message.Encode();
        if (IsClosed || Interlocked.Add(ref _bytes, encoded.Length) > MaxWaitingBytes)
        {
            Interlocked.Add(ref _bytes, -encoded.Length);
            return false;
        }

        _waiting.Enqueue(new Waiting(encoded, isWanted));
        Wake();
        return true;
    }

    /// <summary>Sends until the link is gone. To be started once, when the link is accepted.</summary>
    protected async Task RunAsync()
    {
        try
        {
            while (!IsClosed)
            {
                SendWaiting();
                if (IsDraining && _waiting.IsEmpty)
                {
                    MarkCaughtUp();
                    MarkReading();
                }

                await WaitForDemandAsync(CancellationToken.None);
            }
        }
        catch (Exception e)
        {
            Log.Failed(logger, e, Connection.Peer.ConnectionId);
            Detach(LinkRequest.ToError(Protocol.Errors.HubFailures.ServerError));
        }
    }

    private void SendWaiting()
    {
        while (_waiting.TryPeek(out var next))
        {
            var isWanted = next.IsWanted?.Invoke() ?? true;
            if (isWanted && (Demand == 0 || !TrySend(Copy, next.Encoded)))
            {
                return;
            }

            _waiting.TryDequeue(out _);
            Interlocked.Add(ref _bytes, -next.Length);
        }
    }

    private static void Copy(ByteBuffer encoded, ByteBufferWriter writer)
    {
        encoded.Buffer.AsSpan(encoded.Offset, encoded.Length).CopyTo(writer.GetSpan(encoded.Length));
        writer.Advance(encoded.Length);
    }

    private readonly record struct Waiting(ByteBuffer Encoded, Func<bool>? IsWanted)
    {
        public int Length { get; } = Encoded.Length;
    }

    private static partial class Log
    {
        [LoggerMessage(2236, LogLevel.Error, "A sending link of AMQP connection {ConnectionId} failed")]
        public static partial void Failed(ILogger logger, Exception exception, string connectionId);
    }
}
