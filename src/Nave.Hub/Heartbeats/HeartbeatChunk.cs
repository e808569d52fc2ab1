namespace Nave.Hub.Heartbeats;

/// <summary>
/// Some of the devices of <see cref="HeartbeatTable"/>: one array for each thing known of a device, so that the scan reads
/// two of them and no more.
/// </summary>
internal sealed class HeartbeatChunk(int number, int size)
{
    /// <summary>Which of the chunks.</summary>
    public int Number { get; } = number;

    /// <summary>What sessions have noted since the last scan.</summary>
    public readonly byte[] Heard = new byte[size];

    /// <summary>When there is something to judge, in the hub's milliseconds.</summary>
    public readonly long[] Due = new long[size];

    /// <summary>When the device was last heard, in the hub's milliseconds.</summary>
    public readonly long[] LastSeen = new long[size];

    /// <summary>Until when it sleeps, in the hub's milliseconds.</summary>
    public readonly long[] SleepUntil = new long[size];

    /// <summary>Silence that makes it late, in milliseconds.</summary>
    public readonly int[] LateAfter = new int[size];

    /// <summary>Silence that makes it offline, in milliseconds.</summary>
    public readonly int[] OfflineAfter = new int[size];

    /// <summary>Number of its terms.</summary>
    public readonly int[] Terms = new int[size];

    /// <summary>Number of its group.</summary>
    public readonly int[] Group = new int[size];

    /// <summary>Its <see cref="HeartbeatState"/>.</summary>
    public readonly byte[] State = new byte[size];

    /// <summary>Wall clock of the state's beginning, in Unix milliseconds.</summary>
    public readonly long[] Since = new long[size];

    /// <summary>Wall clock of the last life, in Unix milliseconds; 0 for never.</summary>
    public readonly long[] SeenAt = new long[size];

    /// <summary>Wall clock of the last heartbeat, in Unix seconds; 0 for never.</summary>
    public readonly uint[] BeatAt = new uint[size];

    /// <summary>Number of the last transition.</summary>
    public readonly uint[] Sequence = new uint[size];

    /// <summary>How often it came or went since <see cref="FlipsSince"/>.</summary>
    public readonly byte[] Flips = new byte[size];

    /// <summary>In the hub's seconds.</summary>
    public readonly uint[] FlipsSince = new uint[size];

    /// <summary>Who; null in a free slot.</summary>
    public readonly string?[] Ids = new string?[size];
}

/// <summary>Numbers for values that many devices share. Number 0 is the one it was made with.</summary>
internal sealed class Interned<T>
    where T : notnull
{
    private readonly List<T> _values;
    private readonly Dictionary<T, int> _numbers;

    public Interned(T first)
    {
        _values = [first];
        _numbers = new Dictionary<T, int> { [first] = 0 };
    }

    public T this[int number] => _values[number];

    /// <summary>The value's number, a new one if it is new.</summary>
    public int NumberOf(T value)
    {
        if (!_numbers.TryGetValue(value, out var number))
        {
            _numbers[value] = number = _values.Count;
            _values.Add(value);
        }

        return number;
    }
}

/// <summary>The refusals of one device of late.</summary>
internal sealed class Refusals
{
    private readonly long[] _at = [long.MinValue / 2, long.MinValue / 2, long.MinValue / 2];
    private int _next;

    /// <summary>What the last one said.</summary>
    public string Last { get; private set; } = "";

    /// <summary>When that was, in the hub's milliseconds.</summary>
    public long LastMs { get; private set; }

    public void Add(long nowMs, string refusal)
    {
        _at[_next] = LastMs = nowMs;
        _next = (_next + 1) % _at.Length;
        Last = refusal;
    }

    /// <summary>Whether there were enough within the window.</summary>
    public bool IsFailing(long nowMs) => nowMs - _at.Min() <= HeartbeatTable.FailureWindowMs;
}
