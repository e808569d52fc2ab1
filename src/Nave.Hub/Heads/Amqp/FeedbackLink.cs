using System.Buffers;
using System.Collections.Concurrent;
using System.Text;
using Amqp;
using Amqp.Framing;
using Amqp.Listener;
using Amqp.Types;
using Microsoft.Extensions.Logging;
using Nave.Hub.Commands;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// A receiver of feedback (spec/service-amqp.md 5). Takes batches as far as its credit goes; what it says of one completes,
/// drops or returns it, and it is answered <c>accepted</c> whatever it said: .NET throws on an echoed <c>released</c>.
/// </summary>
internal sealed partial class FeedbackLink(LinkRequest request, FeedbackQueue queue, ILogger logger)
    : OutgoingLink(request), IFeedbackReceiver, IGrantedLink
{
    private readonly ConcurrentQueue<BatchOutcome> _outcomes = new();
    private Task _running = Task.CompletedTask;
    private volatile bool _isOver;

    /// <inheritdoc/>
    public AccessRights Right => AccessRights.ServiceConnect;

    /// <inheritdoc/>
    public IReadOnlyList<string> Paths => ["/messages/servicebound/feedback"];

    /// <inheritdoc/>
    public bool WillTake => !_isOver && Demand > 0;

    /// <summary>Begins to take batches.</summary>
    public void Start()
    {
        // Told before the engine reports what was unsettled as released: that is no word of the receiver's.
        Link.AddClosedCallback((_, _) =>
        {
            _isOver = true;
            Wake();
        });
        queue.Join(this);
        _running = RunAsync();
    }

    void IGrantedLink.Detach(HubFailure failure) => Detach(LinkRequest.ToError(failure));

    /// <inheritdoc/>
    public void Deliver(FeedbackBatch batch)
    {
        // One that cannot go out any more stays locked until its time is over, and then goes to another.
        if (!TrySend(Write, batch, batch.LockToken.ToByteArray()))
        {
            Log.NotSent(logger, batch.Sequence);
        }
    }

    /// <inheritdoc/>
    protected override void OnOutcome(DispositionContext outcome, byte[]? tag)
    {
        if (!_isOver && tag is not null && outcome.DeliveryState is null or global::Amqp.Framing.Outcome)
        {
            _outcomes.Enqueue(new BatchOutcome(new Guid(tag), outcome.DeliveryState, outcome.Message, outcome.Settled));
            Wake();
        }
    }

    /// <inheritdoc/>
    protected override void OnClosed()
    {
        _isOver = true;
        Wake();
    }

    private void Write(FeedbackBatch batch, ByteBufferWriter writer)
    {
        var annotations = new MessageAnnotations();
        annotations[new Symbol("iothub-enqueuedtime")] = batch.EnqueuedTime.UtcDateTime;
        annotations[new Symbol("x-opt-sequence-number")] = (ulong)batch.Sequence;
        annotations[new Symbol("iothub-deliverycount")] = (byte)Math.Min(batch.DeliveryCount, byte.MaxValue);
        annotations[new Symbol("x-opt-lock-token")] = batch.LockToken.ToString("D");
        var message = new Message
        {
            MessageAnnotations = annotations,
            Properties = new Properties
            {
                ContentType = FeedbackJson.ContentType,
                UserId = Encoding.UTF8.GetBytes(Connection.HostName.Split('.')[0]),
            },
            BodySection = new Data { Binary = FeedbackJson.Write(batch) },
        };
        var encoded = message.Encode();
        writer.Write(encoded.Buffer.AsSpan(encoded.Offset, encoded.Length));
    }

    private async Task RunAsync()
    {
        await Task.Yield(); // Not on the connection's read loop.
        try
        {
            while (!_isOver && !IsClosed)
            {
                await SettleAsync();
                if (Demand > 0)
                {
                    await queue.PumpAsync(CancellationToken.None);
                }

                if (IsDraining)
                {
                    MarkCaughtUp();
                    MarkReading();
                }

                await WaitForDemandAsync(CancellationToken.None);
            }

            await SettleAsync();
        }
        catch (IOException) when (IsClosed)
        {
            // The hub stops, and the database before this link has heard of it: the batch comes again after the start.
        }
        catch (Exception e)
        {
            Log.Failed(logger, e);
            Detach(LinkRequest.ToError(HubFailures.ServerError));
        }

        queue.Leave(this);
    }

    private async Task SettleAsync()
    {
        while (_outcomes.TryDequeue(out var outcome))
        {
            var failure = await queue.SettleAsync(outcome.LockToken, CommandsLink.ToSettlement(outcome.State), CancellationToken.None);
            if (outcome.IsSettled || _isOver)
            {
                continue;
            }

            try
            {
                Link.DisposeMessage(
                    outcome.Message, failure is null ? new Accepted() : new Rejected { Error = LinkRequest.ToError(failure) }, settled: true);
            }
            catch (Exception e) when (AmqpConnection.IsEngineClosed(e))
            {
                return;
            }
        }
    }

    private readonly record struct BatchOutcome(Guid LockToken, DeliveryState? State, Message Message, bool IsSettled);

    private static partial class Log
    {
        [LoggerMessage(2236, LogLevel.Debug, "Feedback batch {Sequence} met a link without credit; it goes out again when its lock is over")]
        public static partial void NotSent(ILogger logger, long sequence);

        [LoggerMessage(2237, LogLevel.Error, "A feedback receiver stopped; it may attach again")]
        public static partial void Failed(ILogger logger, Exception exception);
    }
}
