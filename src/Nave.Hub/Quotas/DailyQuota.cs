namespace Nave.Hub.Quotas;

/// <summary>
/// The units of the day by operation, until 00:00 UTC by the clock it is given. What other nodes and earlier lives have used
/// is known from the last exchange with SQL (<see cref="QuotaKeeper"/>). Any thread may call.
/// </summary>
internal sealed class DailyQuota(long? limit, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<int, long[]> _unsaved = [];
    private long[] _stored = NewCounts();
    private long[] _counted = NewCounts();
    private long _total;
    private int _day = DayOf(time.GetUtcNow());

    /// <summary>What a day has; null for no end.</summary>
    public long? Limit => limit;

    /// <summary>When the day ends.</summary>
    public DateTimeOffset ResetsAt
    {
        get
        {
            lock (_lock)
            {
                Roll();
                return new DateTimeOffset(DateOnly.FromDayNumber(_day + 1), TimeOnly.MinValue, TimeSpan.Zero);
            }
        }
    }

    /// <summary>Whether nothing is left.</summary>
    public bool IsExhausted
    {
        get
        {
            lock (_lock)
            {
                Roll();
                return _total >= limit;
            }
        }
    }

    /// <summary>Uses units up, whether there are any or not.</summary>
    public void Charge(Metered operation, long units)
    {
        lock (_lock)
        {
            Roll();
            _counted[(int)operation] += units;
            _total += units;
        }
    }

    /// <summary>Units used today by operation.</summary>
    public long[] Read()
    {
        lock (_lock)
        {
            Roll();
            return [.. _stored.Zip(_counted, (stored, counted) => stored + counted)];
        }
    }

    /// <summary>What is to be added in SQL, by day; empty when nothing is.</summary>
    public Dictionary<int, long[]> ReadUnsaved()
    {
        lock (_lock)
        {
            Roll();
            var unsaved = _unsaved.ToDictionary(day => day.Key, day => (long[])day.Value.Clone());
            if (_counted.Any(count => count != 0))
            {
                unsaved[_day] = (long[])_counted.Clone();
            }

            return unsaved;
        }
    }

    /// <summary>It has been added, and this is what SQL has of a day now.</summary>
    public void Saved(Dictionary<int, long[]> saved, int day, long[] stored)
    {
        lock (_lock)
        {
            Roll();
            foreach (var (savedDay, units) in saved)
            {
                if (savedDay == _day)
                {
                    Subtract(_counted, units);
                }
                else if (_unsaved.TryGetValue(savedDay, out var left))
                {
                    Subtract(left, units);
                    if (left.All(count => count == 0))
                    {
                        _unsaved.Remove(savedDay);
                    }
                }
            }

            if (day == _day)
            {
                _stored = stored;
            }

            _total = _stored.Sum() + _counted.Sum();
        }
    }

    /// <summary>The number of a moment's day.</summary>
    public static int DayOf(DateTimeOffset moment) => DateOnly.FromDateTime(moment.UtcDateTime).DayNumber;

    // A clock that is set back does not give a day again; one that had run ahead is followed back with what is used.
    private void Roll()
    {
        var today = DayOf(time.GetUtcNow());
        if (today > _day)
        {
            if (_counted.Any(count => count != 0))
            {
                _unsaved[_day] = _unsaved.TryGetValue(_day, out var before) ? [.. before.Zip(_counted, (a, b) => a + b)] : _counted;
            }

            (_stored, _counted, _total) = (NewCounts(), NewCounts(), 0);
        }

        _day = today;
    }

    private static long[] NewCounts() => new long[MeteredWords.All.Count];

    private static void Subtract(long[] from, long[] units)
    {
        for (var i = 0; i < from.Length; i++)
        {
            from[i] -= units[i];
        }
    }
}
