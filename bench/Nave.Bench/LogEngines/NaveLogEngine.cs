using Microsoft.Extensions.Logging.Abstractions;
using Nave.EventLog;

namespace Nave.Bench.LogEngines;

/// <summary>
/// Nave's event log with the settings that the hub gives it, records going round its four partitions. New, so that every
/// byte needs a zero before it; or with a size at which the oldest segments go, and their files are used again.
/// </summary>
internal sealed class NaveLogEngine : ILogEngine
{
    private const int Partitions = 4;

    private readonly EmbeddedEventLog _log;
    private Waiter? _waiter;
    private int _next;

    private NaveLogEngine(EmbeddedEventLog log) => _log = log;

    public long Syncs => _log.Statistics.Syncs;

    public static async Task<ILogEngine> OpenAsync(string directory, long? retentionBytes, CancellationToken stopping)
    {
        var options = new EventLogOptions { Streams = [new LogStream(0, "bench", Partitions)], RetentionBytes = retentionBytes };
        return new NaveLogEngine(await EmbeddedEventLog.OpenAsync(
            options, new LogDirectory(Path.Combine(directory, "log")), TimeProvider.System, NullLogger.Instance, stopping));
    }

    public long Append(ReadOnlySpan<byte> payload, CommitSignal commits)
    {
        _waiter ??= new Waiter(commits);
        var partition = new LogPartition(0, (ushort)(_next++ % Partitions));
        var outcome = _log.TryAppend(partition, new RecordParts(payload), _waiter, out var position);
        return outcome is AppendOutcome.Taken
            ? position.Value
            : throw new IOException($"the log took no record: {outcome}, {_log.Fault?.Message}");
    }

    public ValueTask DisposeAsync() => _log.DisposeAsync();

    private sealed class Waiter(CommitSignal commits) : ICommitWaiter
    {
        public void OnCommitted(LogPosition committed) => commits.OnCommitted(committed.Value);

        public void OnFailed(LogPosition committed, LogFault fault) => commits.OnFailed(new LogFailedException(fault));
    }
}
