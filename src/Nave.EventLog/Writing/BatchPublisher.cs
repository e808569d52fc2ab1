using Microsoft.Extensions.Logging;
using Nave.EventLog.Format;
using Nave.EventLog.Reading;

namespace Nave.EventLog.Writing;

/// <summary>What follows a batch's sync: readers may see it, waiters are told. Used by the commit thread only.</summary>
internal sealed partial class BatchPublisher(CommittedState committed, TailCache tail, ILogger logger)
{
    /// <summary>What is durable: where the numbering goes on after a failure.</summary>
    public PartitionMarks CommittedMarks => committed.Marks;

    /// <summary>Takes over the frame.</summary>
    public void Publish(CommittedFrame frame)
    {
        frame.Use();
        tail.Add(frame);
        committed.Publish(frame);
        frame.Dispose();
    }

    public void TellCommitted(OpenBatch batch, LogPosition position)
    {
        foreach (var waiter in batch.Waiters)
        {
            Tell(waiter, position, null);
        }
    }

    /// <summary>Tells the waiters of two failed batches, in their order.</summary>
    public void TellFailed(ICommitWaiter[] first, ICommitWaiter[] second, LogPosition committedPosition, LogFault fault, Exception cause)
    {
        Log.Failed(logger, fault.Kind, fault.Message, cause);
        foreach (var waiter in (IEnumerable<ICommitWaiter>)[.. first, .. second])
        {
            Tell(waiter, committedPosition, fault);
        }
    }

    private void Tell(ICommitWaiter waiter, LogPosition position, LogFault? fault)
    {
        try
        {
            if (fault is null)
            {
                waiter.OnCommitted(position);
            }
            else
            {
                waiter.OnFailed(position, fault);
            }
        }
        catch (Exception e) // A waiter's mistake must not take the log from the others.
        {
            Log.WaiterFailed(logger, e);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(6002, LogLevel.Error, "The event log refuses a batch ({FaultKind}): {FaultMessage}")]
        public static partial void Failed(ILogger logger, LogFaultKind faultKind, string faultMessage, Exception cause);

        [LoggerMessage(6003, LogLevel.Error, "A waiter of the event log threw")]
        public static partial void WaiterFailed(ILogger logger, Exception exception);
    }
}
