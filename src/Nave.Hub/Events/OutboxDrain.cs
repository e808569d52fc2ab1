using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Nave.EventLog;
using Nave.Storage;

namespace Nave.Hub.Events;

/// <summary>
/// Takes the outbox to the event log, in order: append a batch, wait for the log's commit, remove it with the read of the
/// next. A crash in between sends a batch again; none is lost. While the log or the database refuses, rows wait.
/// </summary>
internal sealed partial class OutboxDrain(
    HubDatabase database, EventOutbox outbox, ChangeEventEncoding encoding, IEventLog log, TimeProvider time, ILogger<OutboxDrain> logger)
    : BackgroundService
{
    /// <summary>Rows of one batch: what the SQL writer is held up by.</summary>
    public const int MaxRows = 256;

    /// <summary>Bytes of one batch, besides one body more.</summary>
    public const int MaxBytes = 2 << 20;

    /// <summary>How long a refusal is waited out.</summary>
    public static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    private long _done;
    private bool _isRefused;

    /// <summary>One batch.</summary>
    public async Task<DrainStep> StepAsync(CancellationToken stopping)
    {
        List<OutboxEvent> batch;
        try
        {
            batch = await database.WriteAsync(session => EventOutbox.Take(session, _done, MaxRows, MaxBytes), stopping);
        }
        catch (StorageUnavailableException)
        {
            return DrainStep.Refused; // What may have been removed is in the log.
        }

        if (batch.Count == 0)
        {
            return DrainStep.Empty;
        }

        var sent = await AppendAsync(batch, stopping);
        if (sent > 0)
        {
            _done = batch[sent - 1].Sequence;
        }

        return sent == batch.Count ? DrainStep.Sent : DrainStep.Refused;
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                var step = await StepAsync(stoppingToken);
                Tell(step);
                switch (step)
                {
                    case DrainStep.Empty:
                        await outbox.WaitAsync(stoppingToken);
                        break;
                    case DrainStep.Refused:
                        await Task.Delay(RetryAfter, time, stoppingToken);
                        break;
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The rest is sent by the next start.
        }
        catch (Exception e) // The runner's last line: changes would silently have no events.
        {
            Log.Failed(logger, e);
        }
    }

    /// <returns>How many of the batch are durable.</returns>
    private async Task<int> AppendAsync(List<OutboxEvent> batch, CancellationToken stopping)
    {
        var appended = 0;
        LogPosition last = default;
        foreach (var item in batch)
        {
            AppendOutcome outcome;
            LogPosition position;
            while ((outcome = encoding.TryAppend(log, item, out position)) is AppendOutcome.Full)
            {
                await log.WaitForRoomAsync(stopping);
            }

            if (outcome is AppendOutcome.Refused)
            {
                break;
            }

            appended++;
            last = position;
        }

        if (appended == 0)
        {
            return 0;
        }

        try
        {
            await log.WaitForCommitAsync(last, stopping);
            return appended;
        }
        catch (LogFailedException)
        {
            return 0; // Some may be there: they come twice.
        }
    }

    // Once per trouble, not once a second.
    private void Tell(DrainStep step)
    {
        if (step is DrainStep.Refused && !_isRefused)
        {
            _isRefused = true;
            Log.Waiting(logger, log.Fault?.Message ?? "the database cannot be written now");
        }
        else if (step is not DrainStep.Refused && _isRefused)
        {
            _isRefused = false;
            Log.GoingOn(logger);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(5702, LogLevel.Warning, "Events of changes wait in the database until the event log takes them: {Reason}")]
        public static partial void Waiting(ILogger logger, string reason);

        [LoggerMessage(5703, LogLevel.Information, "Events of changes go to the event log again")]
        public static partial void GoingOn(ILogger logger);

        [LoggerMessage(5704, LogLevel.Error, "Events of changes are no longer sent; they are kept in the database")]
        public static partial void Failed(ILogger logger, Exception e);
    }
}

/// <summary>What became of a batch.</summary>
internal enum DrainStep
{
    /// <summary>All of it is in the log.</summary>
    Sent,

    /// <summary>There was none.</summary>
    Empty,

    /// <summary>Log or database refused: try again later.</summary>
    Refused,
}
