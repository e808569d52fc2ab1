using Nave.Hub.Devices;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Commands;

/// <summary>
/// An actor's commands: the queue's rules, with SQL written between asking and changing, and deliveries to the session
/// that has asked for them. A cache of SQL: whatever SQL says otherwise drops the cache and is tried once more.
/// </summary>
internal sealed class CommandBox(
    IdentityId id, CommandStore store, CommandOptions options, ICommandRoute route, ICommandClock clock, TimeProvider time, Func<Guid> newToken)
{
    private CommandQueue? _queue;
    private string _generationId = "";
    private Receiver? _receiver;

    /// <summary>Whether nothing but a cache would be lost: no receiver, no lock.</summary>
    public bool IsIdle => _receiver is null && (_queue is null || _queue.Entries.All(e => e.LockToken == Guid.Empty));

    /// <summary>Queues a message and delivers what may go out.</summary>
    public async ValueTask<HubFailure?> EnqueueAsync(CloudToDeviceMessage message)
    {
        // Twice: the first refusal by SQL means that this cache was behind.
        for (var attempt = 0; attempt < 2; attempt++)
        {
            if (await LoadAsync() is not { } queue)
            {
                return id.IsModule ? HubFailures.ModuleNotFound : HubFailures.DeviceNotFound;
            }

            if (queue.IsFull)
            {
                return HubFailures.QueueFull.Saying($"The queue of {id} holds {queue.Count} of {options.MaxQueued} messages.");
            }

            var command = new QueuedCommand(
                queue.NextSequenceNumber, time.GetUtcNow(), queue.ExpiryFor(message.Properties.ExpiryTime), deliveryCount: 0);
            if (await store.TryAddAsync(id, _generationId, command, message, options.MaxQueued))
            {
                queue.Add(command);
                await DeliverAsync(queue);
                return null;
            }

            _queue = null;
        }

        return HubFailures.Unavailable;
    }

    /// <summary>The session takes commands up to the grant's limit.</summary>
    public async ValueTask GrantAsync(SessionName session, CommandGrant grant)
    {
        if (_receiver?.Session != session)
        {
            _receiver = new Receiver(session);
        }

        _receiver.Grant = grant;
        if (await LoadAsync() is { } queue)
        {
            await DeliverAsync(queue);
        }
    }

    /// <summary>The session takes no more: what it had not settled goes back, counted only by the rule of 2016.</summary>
    public void SessionEnded(SessionName session)
    {
        if (_receiver?.Session == session)
        {
            _receiver = null;
        }

        foreach (var entry in _queue?.FindLocksOf(session) ?? [])
        {
            CommandQueue.Release(entry, counts: false);
        }
    }

    /// <summary>Hands out one message with a lock of its own.</summary>
    public async ValueTask<CommandDelivery?> ReceiveAsync(TimeSpan lockDuration)
    {
        if (await LoadAsync() is not { } queue)
        {
            return null;
        }

        await ReturnLostLocksAsync(queue);
        while (queue.NextDeliverable() is { } entry)
        {
            if (await TakeAsync(queue, entry, owner: null, lockDuration) is { } delivery)
            {
                return delivery;
            }
        }

        return null;
    }

    /// <summary>Ends or returns a message whose lock the token holds.</summary>
    public async ValueTask<HubFailure?> SettleAsync(Guid lockToken, Settlement settlement)
    {
        if (_queue is not { } queue || !queue.TryFindLocked(lockToken, out var entry))
        {
            return HubFailures.LockLost;
        }

        switch (settlement)
        {
            case Settlement.Complete:
                await EndAsync(queue, entry, CommandOutcome.Success);
                break;
            case Settlement.Reject:
                await EndAsync(queue, entry, CommandOutcome.Rejected);
                break;
            case Settlement.Abandon:
                await ReturnAsync(queue, entry, counts: true);
                break;
            case Settlement.Release:
                await ReturnAsync(queue, entry, counts: false);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(settlement));
        }

        await DeliverAsync(queue);
        return null;
    }

    /// <summary>Empties the queue.</summary>
    public async ValueTask<int> PurgeAsync()
    {
        if (await LoadAsync() is not { } queue)
        {
            return 0;
        }

        var count = await store.PurgeAsync(id, _generationId, time.GetUtcNow(), options.FeedbackTimeToLive);
        queue.Clear();
        return count;
    }

    /// <summary>Releases lost locks, dead-letters what is past its expiry, and delivers what that let through.</summary>
    public async ValueTask SweepAsync()
    {
        if (await LoadAsync() is not { } queue)
        {
            return;
        }

        await ReturnLostLocksAsync(queue);
        foreach (var entry in queue.FindExpired())
        {
            await EndAsync(queue, entry, CommandOutcome.Expired);
        }

        await DeliverAsync(queue);
    }

    private async ValueTask<CommandQueue?> LoadAsync()
    {
        if (_queue is not null)
        {
            return _queue;
        }

        if (await store.LoadAsync(id) is not { } stored)
        {
            return null;
        }

        _generationId = stored.GenerationId;
        _queue = new CommandQueue(options, time, newToken);
        _queue.Load(stored.Commands, stored.NextSequenceNumber);
        return _queue;
    }

    private async ValueTask DeliverAsync(CommandQueue queue)
    {
        while (_receiver is { } receiver && receiver.Delivered < receiver.Grant.Limit && queue.NextDeliverable() is { } entry)
        {
            if (await TakeAsync(queue, entry, receiver.Session, receiver.Grant.LockDuration) is { } delivery)
            {
                receiver.Delivered++;
                route.Deliver(receiver.Session, delivery);
            }
        }

        if (queue.NextLockDeadline() is { } deadline)
        {
            clock.WakeAt(id, deadline);
        }
    }

    private async ValueTask<CommandDelivery?> TakeAsync(CommandQueue queue, QueuedCommand entry, SessionName? owner, TimeSpan? lockDuration)
    {
        if (await store.ReadAsync(id, _generationId, entry.SequenceNumber) is not { } message)
        {
            queue.Remove(entry); // Gone behind our back: deleted with its identity, or purged by another node.
            return null;
        }

        var token = queue.Lock(entry, owner, lockDuration);
        return new CommandDelivery(
            entry.SequenceNumber, token, entry.DeliveryCount, entry.Deliveries > 1, entry.EnqueuedTime, message);
    }

    private async ValueTask EndAsync(CommandQueue queue, QueuedCommand entry, CommandOutcome outcome)
    {
        await store.EndAsync(id, _generationId, entry.SequenceNumber, outcome, time.GetUtcNow(), options.FeedbackTimeToLive);
        queue.Remove(entry);
    }

    private async ValueTask ReturnAsync(CommandQueue queue, QueuedCommand entry, bool counts)
    {
        if (counts && queue.IsLastDelivery(entry))
        {
            await EndAsync(queue, entry, CommandOutcome.DeliveryCountExceeded);
            return;
        }

        if (counts)
        {
            await store.CountDeliveryAsync(id, _generationId, entry.SequenceNumber, entry.DeliveryCount + 1);
        }

        CommandQueue.Release(entry, counts);
    }

    private async ValueTask ReturnLostLocksAsync(CommandQueue queue)
    {
        foreach (var entry in queue.FindLostLocks())
        {
            await ReturnAsync(queue, entry, options.CountLockTimeouts);
        }
    }

    private sealed class Receiver(SessionName session)
    {
        public SessionName Session { get; } = session;

        public CommandGrant Grant { get; set; }

        public long Delivered { get; set; }
    }
}

/// <summary>Takes a delivery to a session, on whichever node it is.</summary>
internal interface ICommandRoute
{
    /// <summary>One-way: a session that is gone loses the delivery, and its end releases the lock.</summary>
    void Deliver(SessionName session, CommandDelivery delivery);
}

/// <summary>Wakes actors whose next lock runs out: one ordered queue, not a timer per lock.</summary>
internal interface ICommandClock
{
    /// <summary>Calls <see cref="IDeviceActor.SweepCommandsAsync"/> of the identity at that monotonic timestamp or soon after.</summary>
    void WakeAt(IdentityId id, long timestamp);
}
