using System.Diagnostics.CodeAnalysis;
using Nave.Hub.Devices;

namespace Nave.Hub.Commands;

/// <summary>
/// One identity's queue of commands: order, limit, locks, delivery counts and expiry. Pure rules over what is in memory,
/// which is the message's head and never its body; the actor writes SQL between asking and changing.
/// Used by one caller at a time. Locks run on monotonic time, expiry on wall time.
/// </summary>
internal sealed class CommandQueue(CommandOptions options, TimeProvider time, Func<Guid> newToken)
{
    // In sequence order: an abandoned message keeps its place, so it goes out before newer ones (messaging-semantics 1).
    private readonly List<QueuedCommand> _entries = [];

    /// <summary>Enqueued and locked messages.</summary>
    public int Count => _entries.Count;

    /// <summary>Whether another message would be one too many.</summary>
    public bool IsFull => _entries.Count >= options.MaxQueued;

    /// <summary>The sequence number that the next message gets; never reused within a generation.</summary>
    public long NextSequenceNumber { get; private set; } = 1;

    /// <summary>All entries, oldest first.</summary>
    public IReadOnlyList<QueuedCommand> Entries => _entries;

    /// <summary>Takes in what the store holds.</summary>
    public void Load(IEnumerable<QueuedCommand> stored, long nextSequenceNumber)
    {
        _entries.Clear();
        _entries.AddRange(stored);
        NextSequenceNumber = nextSequenceNumber;
    }

    /// <summary>Adds a message that is stored.</summary>
    public void Add(QueuedCommand command)
    {
        _entries.Add(command);
        NextSequenceNumber = command.SequenceNumber + 1;
    }

    /// <summary>The expiry that a message gets: what the sender asked for, within the limits, else the default.</summary>
    public DateTimeOffset ExpiryFor(DateTimeOffset? asked)
    {
        var now = time.GetUtcNow();
        var latest = now + options.MaxTimeToLive;
        return asked is not { } expiry ? now + options.DefaultTimeToLive : expiry > latest ? latest : expiry;
    }

    /// <summary>The oldest message that may go out now, or null.</summary>
    public QueuedCommand? NextDeliverable()
    {
        var now = time.GetUtcNow();
        foreach (var entry in _entries)
        {
            if (!IsLocked(entry) && entry.ExpiresAt > now)
            {
                return entry;
            }
        }

        return null;
    }

    /// <summary>Locks a message for one receiver and returns the lock's token.</summary>
    /// <param name="entry">An unlocked entry of this queue.</param>
    /// <param name="owner">The session it goes to, or null for an HTTP request.</param>
    /// <param name="duration">How long; null for as long as the session lives (MQTT: spec/device-mqtt.md 6 rule 8).</param>
    public Guid Lock(QueuedCommand entry, SessionName? owner, TimeSpan? duration)
    {
        entry.LockToken = newToken();
        entry.LockOwner = owner;
        entry.LockedUntil = duration is { } length
            ? time.GetTimestamp() + (long)(length.TotalSeconds * time.TimestampFrequency)
            : long.MaxValue;
        entry.Deliveries++;
        return entry.LockToken;
    }

    /// <summary>The message whose lock the token holds; false when the lock is lost or was never given.</summary>
    public bool TryFindLocked(Guid token, [NotNullWhen(true)] out QueuedCommand? entry)
    {
        entry = _entries.Find(e => e.LockToken == token && token != Guid.Empty && IsLocked(e));
        return entry is not null;
    }

    /// <summary>Takes out a message whose end is stored.</summary>
    public void Remove(QueuedCommand entry) => _entries.Remove(entry);

    /// <summary>Empties the queue after its end is stored.</summary>
    public void Clear() => _entries.Clear();

    /// <summary>Whether one more counted return would be the last.</summary>
    public bool IsLastDelivery(QueuedCommand entry) => entry.DeliveryCount + 1 >= options.MaxDeliveryCount;

    /// <summary>Puts a message back, counted or not.</summary>
    public static void Release(QueuedCommand entry, bool counts)
    {
        entry.LockToken = Guid.Empty;
        entry.LockOwner = null;
        entry.LockedUntil = 0;
        if (counts)
        {
            entry.DeliveryCount++;
        }
    }

    /// <summary>Locks that have run out, oldest message first.</summary>
    public IReadOnlyList<QueuedCommand> FindLostLocks()
    {
        var now = time.GetTimestamp();
        return _entries.FindAll(e => e.LockToken != Guid.Empty && e.LockedUntil <= now);
    }

    /// <summary>Locks held by a session that is gone.</summary>
    public IReadOnlyList<QueuedCommand> FindLocksOf(SessionName owner) => _entries.FindAll(e => e.LockOwner == owner);

    /// <summary>Messages past their expiry that nobody has locked: a locked one may still be completed in time.</summary>
    public IReadOnlyList<QueuedCommand> FindExpired()
    {
        var now = time.GetUtcNow();
        return _entries.FindAll(e => e.ExpiresAt <= now && !IsLocked(e));
    }

    /// <summary>When the next lock runs out, as a monotonic timestamp; null when none does by itself.</summary>
    public long? NextLockDeadline()
    {
        var next = long.MaxValue;
        foreach (var entry in _entries)
        {
            if (entry.LockToken != Guid.Empty && entry.LockedUntil < next)
            {
                next = entry.LockedUntil;
            }
        }

        return next == long.MaxValue ? null : next;
    }

    private bool IsLocked(QueuedCommand entry) => entry.LockToken != Guid.Empty && entry.LockedUntil > time.GetTimestamp();
}

/// <summary>The head of a queued message: all that is kept in memory of it.</summary>
internal sealed class QueuedCommand(long sequenceNumber, DateTimeOffset enqueuedTime, DateTimeOffset expiresAt, int deliveryCount)
{
    /// <summary>Position in the identity's queue, from 1.</summary>
    public long SequenceNumber { get; } = sequenceNumber;

    /// <summary>When it was accepted, UTC.</summary>
    public DateTimeOffset EnqueuedTime { get; } = enqueuedTime;

    /// <summary>When it is dead-lettered, UTC.</summary>
    public DateTimeOffset ExpiresAt { get; } = expiresAt;

    /// <summary>Counted returns to the queue so far: 0 at the first delivery.</summary>
    public int DeliveryCount { get; set; } = deliveryCount;

    /// <summary>Times that it went out in this process' life; more than one means that DUP is set on MQTT.</summary>
    public int Deliveries { get; set; }

    /// <summary>The lock in force or run out, or empty.</summary>
    public Guid LockToken { get; set; }

    /// <summary>Whose lock it is; null for an HTTP request.</summary>
    public SessionName? LockOwner { get; set; }

    /// <summary>Monotonic timestamp of the lock's end.</summary>
    public long LockedUntil { get; set; }
}
