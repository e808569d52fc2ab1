using System.Diagnostics.CodeAnalysis;
using Nave.Protocol.Errors;

namespace Nave.Hub.Commands;

/// <summary>
/// The hub's one queue of feedback: records gather into batches that competing receivers lock, complete or abandon
/// (spec/messaging-semantics.md 1.2, spec/service-amqp.md 5). Records are in SQL; batches and locks live in memory, so a
/// restart returns what was locked without counting it.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "The semaphore holds no handle, and a link may still settle while the hub stops.")]
internal sealed class FeedbackQueue(FeedbackStore store, CommandOptions options, TimeProvider time, Func<Guid> newToken)
{
    /// <summary>Records in one batch (messaging-semantics 1.2).</summary>
    public const int MaxBatch = 64;

    /// <summary>How long records gather after a batch has gone out (messaging-semantics 1.2).</summary>
    public static readonly TimeSpan GatherFor = TimeSpan.FromSeconds(15);

    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly List<IFeedbackReceiver> _receivers = [];
    private readonly Queue<Batch> _returned = new();
    private readonly Dictionary<Guid, Batch> _locked = [];
    private long _lastBatched;
    private long? _lastSent;
    private int _nextReceiver;

    /// <summary>A receiver takes part until it leaves; what it had locked stays locked until its time is over.</summary>
    public void Join(IFeedbackReceiver receiver)
    {
        lock (_receivers)
        {
            _receivers.Add(receiver);
        }
    }

    /// <inheritdoc cref="Join"/>
    public void Leave(IFeedbackReceiver receiver)
    {
        lock (_receivers)
        {
            _receivers.Remove(receiver);
        }
    }

    /// <summary>Returns lost locks, drops what is too old, and sends what is due while a receiver will take it. Called every second and when something changed.</summary>
    public async Task PumpAsync(CancellationToken stopping)
    {
        await _turn.WaitAsync(stopping);
        try
        {
            await ReturnLostAsync(stopping);
            while (NextReceiver() is { } receiver)
            {
                if (await TryTakeAsync(options.FeedbackLockDuration, stopping) is not { } batch)
                {
                    return;
                }

                receiver.Deliver(batch);
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Locks a batch that is due for a caller that asks (the HTTP form); null when none is.</summary>
    public async Task<FeedbackBatch?> ReceiveAsync(CancellationToken stopping)
    {
        await _turn.WaitAsync(stopping);
        try
        {
            await ReturnLostAsync(stopping);
            return await TryTakeAsync(options.FeedbackLockDuration, stopping);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Ends or returns a batch whose lock the token holds. A rejected batch is dropped.</summary>
    public async Task<HubFailure?> SettleAsync(Guid lockToken, Settlement settlement, CancellationToken stopping)
    {
        await _turn.WaitAsync(stopping);
        try
        {
            if (!_locked.TryGetValue(lockToken, out var batch) || batch.LockedUntil <= time.GetTimestamp())
            {
                return HubFailures.LockLost;
            }

            _locked.Remove(lockToken);
            if (settlement is Settlement.Complete or Settlement.Reject)
            {
                await store.DeleteAsync(batch.First, batch.Last, stopping);
            }
            else
            {
                await ReturnAsync(batch, counts: settlement is Settlement.Abandon, stopping);
            }

            return null;
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task<FeedbackBatch?> TryTakeAsync(TimeSpan lockFor, CancellationToken stopping)
    {
        while (_returned.TryDequeue(out var returned))
        {
            // Read again: a device that was deleted meanwhile has taken its records along.
            var records = await store.ListAsync(returned.First, returned.Last, MaxBatch, time.GetUtcNow(), stopping);
            if (records.Count > 0)
            {
                return Lock(returned, records, lockFor);
            }
        }

        var isQuiet = _lastSent is not { } sent || time.GetElapsedTime(sent) >= GatherFor;
        var fresh = await store.ListAsync(_lastBatched + 1, long.MaxValue, MaxBatch, time.GetUtcNow(), stopping);
        if (fresh.Count == 0 || (fresh.Count < MaxBatch && !isQuiet))
        {
            return null;
        }

        _lastBatched = fresh[^1].Sequence;
        _lastSent = time.GetTimestamp();
        return Lock(new Batch(fresh[0].Sequence, _lastBatched), fresh, lockFor);
    }

    private FeedbackBatch Lock(Batch batch, IReadOnlyList<FeedbackRecord> records, TimeSpan lockFor)
    {
        var token = newToken();
        batch.LockedUntil = time.GetTimestamp() + (long)(lockFor.TotalSeconds * time.TimestampFrequency);
        _locked[token] = batch;
        return new FeedbackBatch(token, batch.DeliveryCount, batch.First, time.GetUtcNow(), records);
    }

    private async Task ReturnLostAsync(CancellationToken stopping)
    {
        var now = time.GetTimestamp();
        foreach (var (token, batch) in _locked.Where(locked => locked.Value.LockedUntil <= now).ToList())
        {
            _locked.Remove(token);
            await ReturnAsync(batch, counts: true, stopping);
        }
    }

    private async Task ReturnAsync(Batch batch, bool counts, CancellationToken stopping)
    {
        batch.DeliveryCount += counts ? 1 : 0;
        if (batch.DeliveryCount >= options.FeedbackMaxDeliveryCount)
        {
            await store.DeleteAsync(batch.First, batch.Last, stopping);
            return;
        }

        _returned.Enqueue(batch);
    }

    private IFeedbackReceiver? NextReceiver()
    {
        lock (_receivers)
        {
            for (var i = 0; i < _receivers.Count; i++)
            {
                var receiver = _receivers[_nextReceiver++ % _receivers.Count];
                if (receiver.WillTake)
                {
                    return receiver;
                }
            }

            return null;
        }
    }

    /// <summary>A range of records that travel together from now on.</summary>
    private sealed class Batch(long first, long last)
    {
        public long First { get; } = first;

        public long Last { get; } = last;

        public int DeliveryCount { get; set; }

        public long LockedUntil { get; set; }
    }
}

/// <summary>Someone who reads feedback: an AMQP link.</summary>
internal interface IFeedbackReceiver
{
    /// <summary>Whether it has credit for one more batch.</summary>
    bool WillTake { get; }

    /// <summary>Takes a batch; must return at once, and uses up the credit before it returns.</summary>
    void Deliver(FeedbackBatch batch);
}

/// <summary>What became of one command.</summary>
/// <param name="Sequence">Position in the hub's feedback.</param>
/// <param name="OriginalMessageId">The command's message id; empty when it had none.</param>
/// <param name="EnqueuedTime">UTC moment of the outcome.</param>
/// <param name="Outcome">How it ended.</param>
/// <param name="DeviceId">Whose command it was.</param>
/// <param name="GenerationId">That device's generation.</param>
internal sealed record FeedbackRecord(
    long Sequence, string OriginalMessageId, DateTimeOffset EnqueuedTime, CommandOutcome Outcome, string DeviceId, string GenerationId);

/// <summary>Records on their way to a receiver, under one lock.</summary>
internal sealed record FeedbackBatch(
    Guid LockToken, int DeliveryCount, long Sequence, DateTimeOffset EnqueuedTime, IReadOnlyList<FeedbackRecord> Records);
