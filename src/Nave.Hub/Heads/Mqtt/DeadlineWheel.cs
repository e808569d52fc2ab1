namespace Nave.Hub.Heads.Mqtt;

/// <summary>
/// Many deadlines, one timer. A deadline that was moved later is found out when its old moment comes, so that activity
/// costs its owner one write and this wheel nothing. Monotonic time; never early, late by at most <see cref="Tick"/>
/// and what the timer adds. Any thread may call.
/// </summary>
internal sealed class DeadlineWheel : IDisposable
{
    /// <summary>How late a deadline may be noticed; the promise towards clients is 2 s (spec/device-mqtt.md, row 5).</summary>
    public static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(500);

    // 34 minutes, over the longest keep-alive. A deadline beyond would only be looked at once more on the way.
    private const int Slots = 4096;

    private readonly Lock _lock = new();
    private readonly Deadline?[] _slots = new Deadline?[Slots];
    private readonly TimeProvider _time;
    private readonly long _tickLength;
    private readonly long _origin;
    private readonly ITimer _timer;
    private long _lastTick;

    public DeadlineWheel(TimeProvider time)
    {
        _time = time;
        _tickLength = (long)(time.TimestampFrequency * Tick.TotalSeconds);
        _origin = time.GetTimestamp();
        _timer = time.CreateTimer(static wheel => ((DeadlineWheel)wheel!).Turn(), this, Tick, Tick);
    }

    /// <summary>Puts a deadline in, or moves it to what <see cref="Deadline.DueAt"/> says now.</summary>
    public void Schedule(Deadline deadline)
    {
        lock (_lock)
        {
            Unlink(deadline);
            Link(deadline);
        }
    }

    /// <summary>Takes a deadline out; it may be expiring at this moment.</summary>
    public void Remove(Deadline deadline)
    {
        lock (_lock)
        {
            Unlink(deadline);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();

    private void Turn()
    {
        List<Deadline>? expired = null;
        lock (_lock)
        {
            var now = _time.GetTimestamp();
            var thisTick = (now - _origin) / _tickLength;
            for (var tick = Math.Max(_lastTick + 1, thisTick - Slots + 1); tick <= thisTick; tick++)
            {
                TakeExpired(tick, now, ref expired);
            }

            _lastTick = Math.Max(_lastTick, thisTick);
        }

        foreach (var deadline in expired ?? [])
        {
            deadline.Expire();
        }
    }

    private void TakeExpired(long tick, long now, ref List<Deadline>? expired)
    {
        var next = _slots[tick % Slots];
        while (next is not null)
        {
            var deadline = next;
            next = deadline.Next;
            if (deadline.DueAt <= now)
            {
                Unlink(deadline);
                (expired ??= []).Add(deadline);
            }
            else if (TickOf(deadline) != tick)
            {
                Unlink(deadline);
                Link(deadline);
            }
        }
    }

    // The first tick at which it is over; at least the next one, since this one may have been looked at.
    private long TickOf(Deadline deadline) =>
        Math.Max(_lastTick + 1, (deadline.DueAt - _origin + _tickLength - 1) / _tickLength);

    private void Link(Deadline deadline)
    {
        var slot = (int)(TickOf(deadline) % Slots);
        var first = _slots[slot];
        deadline.Slot = slot;
        deadline.Next = first;
        if (first is not null)
        {
            first.Previous = deadline;
        }

        _slots[slot] = deadline;
    }

    private void Unlink(Deadline deadline)
    {
        if (deadline.Slot < 0)
        {
            return;
        }

        if (deadline.Previous is null)
        {
            _slots[deadline.Slot] = deadline.Next;
        }
        else
        {
            deadline.Previous.Next = deadline.Next;
        }

        if (deadline.Next is not null)
        {
            deadline.Next.Previous = deadline.Previous;
        }

        deadline.Slot = -1;
        deadline.Previous = null;
        deadline.Next = null;
    }
}

/// <summary>Something that must have happened by a moment that may move. Its links belong to the wheel.</summary>
internal abstract class Deadline
{
    internal int Slot { get; set; } = -1;

    internal Deadline? Previous { get; set; }

    internal Deadline? Next { get; set; }

    /// <summary>The moment as it stands now, as a timestamp of the time provider. When it moves earlier, schedule anew.</summary>
    public abstract long DueAt { get; }

    /// <summary>It is over. Called once per schedule, on the timer's thread: returns at once.</summary>
    public abstract void Expire();
}
