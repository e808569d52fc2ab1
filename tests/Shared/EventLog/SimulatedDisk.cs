using Nave.EventLog;

namespace Nave.TestKit;

/// <summary>
/// A directory in memory that behaves as disks do at their worst. What was not synced may be lost or kept sector by
/// sector when the power goes; a failed sync loses what it should have kept and says so only once. Faults are placed by
/// step and occurrence, chance comes from one seed.
/// </summary>
public sealed class SimulatedDisk(int seed = 0) : ILogFiles
{
    private const int SectorBytes = 512;

    private readonly Lock _gate = new();
    private readonly Random _random = new(seed);
    private readonly Dictionary<LogStep, int> _visits = [];
    private readonly List<(LogStep Step, int Visit, Action Fault, bool After)> _faults = [];
    private readonly List<Action<Dictionary<string, Content>>> _unsyncedNames = [];
    private Dictionary<string, Content> _names = new(StringComparer.Ordinal);
    private Dictionary<string, Content> _durableNames = new(StringComparer.Ordinal);
    private int _powerCycles;
    private long _freeBytes = 1L << 40;
    private bool _isFull; // Somebody else takes whatever is freed.
    private bool _isOff;

    public string Location => "the simulated disk";

    /// <summary>Setting it ends what <see cref="FillUpAt"/> has begun.</summary>
    public long FreeBytes
    {
        get => _isFull ? 0 : _freeBytes;
        set => (_freeBytes, _isFull) = (value, false);
    }

    /// <summary>Called at each step, before it is done: the place to hold a thread of the log.</summary>
    public Action<LogStep>? Reached { get; set; }

    /// <summary>The faults that have struck, by step, and whether the step was done by then.</summary>
    public HashSet<(LogStep Step, bool After)> Struck { get; } = [];

    /// <summary>Counts what is read.</summary>
    public long BytesRead { get; set; }

    /// <summary>How often each step has been reached.</summary>
    public IReadOnlyDictionary<LogStep, int> Visits => _visits;

    public bool IsOff => _isOff;

    /// <summary>The power goes at the n-th time (from 1) of this step: just before it, or just after it.</summary>
    public void CutPowerAt(LogStep step, int visit, bool after) =>
        _faults.Add((step, visit, () => { _isOff = true; throw new IOException("The power is off."); }, after));

    /// <summary>The n-th time of this step fails. A failed sync may have written any part of what it should.</summary>
    public void FailAt(LogStep step, int visit) =>
        _faults.Add((step, visit, () => throw new IOException($"{step} failed on purpose."), false));

    public void FillUpAt(LogStep step, int visit) =>
        _faults.Add((step, visit, () => { _isFull = true; throw new LogDiskFullException("No space left on device"); }, false));

    /// <summary>From now on everything fails.</summary>
    public void TurnOff()
    {
        lock (_gate)
        {
            _isOff = true;
        }
    }

    /// <summary>The power is back. Every unsynced sector and name was kept with this probability.</summary>
    public void PowerCycle(double keep)
    {
        lock (_gate)
        {
            var survivors = new HashSet<Content>(_durableNames.Values);
            foreach (var change in _unsyncedNames)
            {
                if (_random.NextDouble() < keep)
                {
                    change(_durableNames);
                }
            }

            survivors.UnionWith(_durableNames.Values);
            foreach (var content in survivors)
            {
                content.LosePower(_random, keep);
            }

            _unsyncedNames.Clear();
            _names = new(_durableNames, StringComparer.Ordinal);
            _powerCycles++;
            _isOff = false;
            _faults.Clear();
        }
    }

    /// <summary>The process was killed: memory is gone, what the system has taken is not.</summary>
    public void Kill()
    {
        lock (_gate)
        {
            _powerCycles++;
            _isOff = false;
            _faults.Clear();
        }
    }

    /// <summary>The disk turns a bit over, on its own.</summary>
    public void FlipBit(string name, long offset, int bit = 0)
    {
        lock (_gate)
        {
            _names[name].Flip(offset, bit);
        }
    }

    /// <summary>A copy of a file as the system sees it.</summary>
    public byte[] ReadFile(string name)
    {
        lock (_gate)
        {
            return _names[name].Bytes.AsSpan(0, (int)_names[name].Length).ToArray();
        }
    }

    /// <summary>Puts a file there, durably.</summary>
    public void PutFile(string name, ReadOnlySpan<byte> bytes)
    {
        using var file = Create(name, LogStep.CreateSpare);
        file.Write(0, bytes, LogStep.FillSpare);
        file.Sync(LogStep.SyncSpare);
        SyncDirectory(LogStep.SyncSegmentName);
    }

    public IReadOnlyList<string> List()
    {
        lock (_gate)
        {
            ThrowIfOff(_powerCycles);
            return [.. _names.Keys.Order(StringComparer.Ordinal)];
        }
    }

    public ILogFile Create(string name, LogStep step) => Do(step, _powerCycles, () =>
    {
        var content = new Content();
        ChangeNames(names => names[name] = content);
        return new OpenFile(this, content, _powerCycles);
    });

    public ILogFile Open(string name)
    {
        lock (_gate)
        {
            ThrowIfOff(_powerCycles);
            return _names.TryGetValue(name, out var content)
                ? new OpenFile(this, content, _powerCycles)
                : throw new FileNotFoundException(name);
        }
    }

    public void Rename(string name, string newName, LogStep step) => Do(step, _powerCycles, () =>
    {
        if (!_names.ContainsKey(name))
        {
            throw new FileNotFoundException(name);
        }

        ChangeNames(names =>
        {
            if (names.Remove(name, out var content))
            {
                names[newName] = content;
            }
        });
        return 0;
    });

    public void Delete(string name, LogStep step) => Do(step, _powerCycles, () =>
    {
        if (_names.TryGetValue(name, out var content))
        {
            _freeBytes += content.Length;
            ChangeNames(names => names.Remove(name));
        }

        return 0;
    });

    public void SyncDirectory(LogStep step) => Do(step, _powerCycles, () =>
    {
        _durableNames = new(_names, StringComparer.Ordinal);
        _unsyncedNames.Clear();
        return 0;
    });

    private void ChangeNames(Action<Dictionary<string, Content>> change)
    {
        change(_names);
        _unsyncedNames.Add(change);
    }

    private T Do<T>(LogStep step, int powerCycle, Func<T> action, Action? onFailure = null)
    {
        Reached?.Invoke(step);
        lock (_gate)
        {
            ThrowIfOff(powerCycle);
            var visit = _visits[step] = _visits.GetValueOrDefault(step) + 1;
            try
            {
                Strike(step, visit, after: false);
            }
            catch
            {
                onFailure?.Invoke();
                throw;
            }

            var result = action();
            Strike(step, visit, after: true);
            return result;
        }
    }

    private void Strike(LogStep step, int visit, bool after)
    {
        foreach (var fault in _faults.Where(fault => fault.Step == step && fault.Visit == visit && fault.After == after).ToList())
        {
            Struck.Add((step, after));
            fault.Fault();
        }
    }

    private void ThrowIfOff(int powerCycle)
    {
        if (_isOff || powerCycle != _powerCycles)
        {
            throw new IOException("The power is off, or was since the file was opened.");
        }
    }

    private sealed class OpenFile(SimulatedDisk disk, Content content, int powerCycle) : ILogFile
    {
        public long Length
        {
            get
            {
                lock (disk._gate)
                {
                    return content.Length;
                }
            }
        }

        public int Read(long offset, Span<byte> buffer)
        {
            lock (disk._gate)
            {
                disk.ThrowIfOff(powerCycle);
                var count = (int)Math.Clamp(content.Length - offset, 0, buffer.Length);
                content.Bytes.AsSpan((int)Math.Min(offset, content.Length), count).CopyTo(buffer);
                disk.BytesRead += count;
                return count;
            }
        }

        public void Write(long offset, ReadOnlySpan<byte> bytes, LogStep step)
        {
            var copy = bytes.ToArray();
            disk.Do(step, powerCycle, () => Put(offset, copy));
        }

        public void Zero(long offset, long length, LogStep step) => disk.Do(step, powerCycle, () => Put(offset, new byte[length]));

        public void Sync(LogStep step) =>
            disk.Do(step, powerCycle, () => content.Sync(), () => content.FailSync(disk._random));

        public void Dispose()
        {
        }

        private int Put(long offset, byte[] bytes)
        {
            var growth = Math.Max(0, offset + bytes.Length - content.Length);
            if (growth > disk.FreeBytes)
            {
                throw new LogDiskFullException("No space left on device");
            }

            disk._freeBytes -= growth;
            content.Write(offset, bytes);
            return 0;
        }
    }

    /// <summary>A file's bytes: as the system sees them, and as they are on the disk.</summary>
    private sealed class Content
    {
        private readonly HashSet<int> _dirty = [];
        private byte[] _durable = [];
        private long _durableLength;

        public byte[] Bytes { get; private set; } = [];

        public long Length { get; private set; }

        public void Write(long offset, byte[] bytes)
        {
            var end = offset + bytes.Length;
            if (end > Bytes.Length)
            {
                var grown = new byte[(Math.Max(end, Bytes.Length * 2L) + SectorBytes - 1) / SectorBytes * SectorBytes];
                Bytes.CopyTo(grown, 0);
                Bytes = grown;
            }

            bytes.CopyTo(Bytes, offset);
            Length = Math.Max(Length, end);
            for (var sector = (int)(offset / SectorBytes); sector * (long)SectorBytes < end; sector++)
            {
                _dirty.Add(sector);
            }
        }

        public int Sync()
        {
            Keep(_dirty);
            _durableLength = Length;
            _dirty.Clear();
            return 0;
        }

        // The system forgets that the pages were dirty: no later sync writes them.
        public void FailSync(Random random)
        {
            Keep(_dirty.Where(_ => random.Next(2) == 0));
            _dirty.Clear();
        }

        public void LosePower(Random random, double keep)
        {
            Keep(_dirty.Order().Where(_ => random.NextDouble() < keep).ToList());
            if (random.NextDouble() < keep)
            {
                _durableLength = Length;
            }

            _dirty.Clear();
            Length = _durableLength;
            Bytes = new byte[Math.Max(_durable.Length, (int)((Length + SectorBytes - 1) / SectorBytes * SectorBytes))];
            _durable.CopyTo(Bytes, 0);
            Bytes.AsSpan((int)Length).Clear();
        }

        public void Flip(long offset, int bit)
        {
            Bytes[offset] ^= (byte)(1 << bit);
            if (offset < _durable.Length)
            {
                _durable[offset] ^= (byte)(1 << bit);
            }
        }

        private void Keep(IEnumerable<int> sectors)
        {
            if (_durable.Length < Bytes.Length)
            {
                var grown = new byte[Bytes.Length];
                _durable.CopyTo(grown, 0);
                _durable = grown;
            }

            foreach (var sector in sectors)
            {
                var start = sector * SectorBytes;
                Bytes.AsSpan(start, SectorBytes).CopyTo(_durable.AsSpan(start));
                _durableLength = Math.Max(_durableLength, Math.Min(Length, start + SectorBytes));
            }
        }
    }
}
