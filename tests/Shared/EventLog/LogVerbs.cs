using Nave.EventLog;

namespace Nave.TestKit;

/// <summary>What tests do with a log, in one word each.</summary>
public static class LogVerbs
{
    /// <summary>Appends, waiting for room where there is none.</summary>
    public static async Task<LogPosition> AppendAsync(this IEventLog log, LogPartition partition, byte[] record, ICommitWaiter? waiter = null)
    {
        while (true)
        {
            switch (log.TryAppend(partition, new RecordParts(record), waiter, out var position))
            {
                case AppendOutcome.Taken:
                    return position;
                case AppendOutcome.Full:
                    await log.WaitForRoomAsync(CancellationToken.None);
                    break;
                default:
                    throw new LogFailedException(log.Fault ?? new LogFault(LogFaultKind.WriteFailed, "It is over already."));
            }
        }
    }

    /// <summary>Appends and waits until it is durable.</summary>
    public static async Task CommitAsync(this IEventLog log, LogPartition partition, params byte[][] records)
    {
        LogPosition last = default;
        foreach (var record in records)
        {
            last = await log.AppendAsync(partition, record);
        }

        await log.WaitForCommitAsync(last, CancellationToken.None);
    }

    /// <summary>Everything committed in a partition, copied.</summary>
    public static async Task<List<(long Sequence, long Time, byte[] Bytes)>> ReadAllAsync(
        this IEventLog log, LogPartition partition, ReadFrom? from = null, int maxRecords = 1000)
    {
        var all = new List<(long, long, byte[])>();
        using var reader = await log.OpenReaderAsync(partition, from ?? ReadFrom.Beginning, CancellationToken.None);
        while (reader.NextSequenceNumber < log.GetState(partition).NextSequenceNumber)
        {
            using var batch = await reader.ReadAsync(maxRecords, CancellationToken.None);
            all.AddRange(batch.Records.Select(record => (record.SequenceNumber, record.EnqueuedTime, record.Bytes.ToArray())));
        }

        return all;
    }
}
