using System.Diagnostics.CodeAnalysis;

namespace Nave.Hub.Heartbeats;

/// <summary>
/// The heartbeats of all devices: dense arrays, one sequential scan four times a second instead of a
/// timer each (spec/heartbeat-monitoring.md 4). Sessions note life in a byte (<see cref="HeartbeatMark"/>); everything else
/// is under one lock, held for one chunk at a time. A deadline is counted from the scan that has seen the note: never
/// early, and late by at most two scans. Knows no SQL and no clock.
/// </summary>
internal sealed class HeartbeatTable
{
    /// <summary>Devices of a chunk: growth copies nothing.</summary>
    public const int ChunkSize = 65_536;

    /// <summary>So many refusals within <see cref="FailureWindowMs"/> make a silent device a failing one.</summary>
    public const int FailuresToFail = 3;

    /// <summary>How long a refusal counts.</summary>
    public const long FailureWindowMs = 5 * 60_000;

    /// <summary>So many transitions within <see cref="FlapWindowMs"/> are flapping.</summary>
    public const int FlipsToFlap = 4;

    /// <summary>How long a transition counts.</summary>
    public const long FlapWindowMs = 10 * 60_000;

    // A cut session may write its last note into a slot that was given back: nobody else gets it so soon.
    private const long SlotRestMs = 10 * 60_000;

    // Refusals are kept of so many devices: a stranger can name every device of the fleet.
    private const int MaxFailing = 10_000;

    private const long Never = long.MaxValue;

    private readonly Lock _gate = new();
    private readonly List<HeartbeatChunk> _chunks = [];
    private readonly Dictionary<string, int> _slots = new(StringComparer.Ordinal);
    private readonly HashSet<string> _reserved = new(StringComparer.Ordinal); // Have a slot, and are not yet taken in.
    private readonly Queue<(int Slot, long At)> _free = new();
    private readonly Dictionary<int, Refusals> _refusals = [];
    private readonly Interned<HeartbeatTerms> _terms = new(HeartbeatTerms.Unwatched);
    private readonly Interned<string> _groups = new("");
    private readonly long[] _counts = new long[Enum.GetValues<HeartbeatState>().Length];
    private int _used;
    private long _nowMs;

    /// <summary>Devices.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _slots.Count - _reserved.Count;
            }
        }
    }

    /// <summary>How many devices are in each state, by the state's number.</summary>
    public long[] Counts
    {
        get
        {
            lock (_gate)
            {
                return [.. _counts];
            }
        }
    }

    /// <summary>Whether there is such a device.</summary>
    public bool Contains(string deviceId)
    {
        lock (_gate)
        {
            return TryFind(deviceId, out _, out _);
        }
    }

    /// <summary>Takes a device in; one that is there stays as it is. Its time begins now, whatever it was before (no alarm after a restart).</summary>
    /// <returns>What it is now.</returns>
    public HeartbeatState Add(string deviceId, bool isEnabled, StoredHeartbeat? stored, DateTimeOffset wall)
    {
        lock (_gate)
        {
            if (TryFind(deviceId, out var chunk, out var i))
            {
                return StateOf(chunk, i);
            }

            // A session may have reserved its place.
            if (!_reserved.Remove(deviceId))
            {
                TakeSlot(deviceId);
            }

            (chunk, i) = At(_slots[deviceId]);
            chunk.Ids[i] = deviceId;
            var was = stored ?? new StoredHeartbeat(HeartbeatState.Unknown, wall, null, null, 0, null);
            var sleeps = was.State is HeartbeatState.Sleeping && was.SleepUntil > wall;
            chunk.State[i] = (byte)(isEnabled ? AfterRestart(was, sleeps) : HeartbeatState.Disabled);
            chunk.Since[i] = was.Since.ToUnixTimeMilliseconds();
            chunk.SeenAt[i] = was.LastSeen?.ToUnixTimeMilliseconds() ?? 0;
            chunk.BeatAt[i] = (uint)(was.LastHeartbeat?.ToUnixTimeSeconds() ?? 0);
            chunk.Sequence[i] = (uint)was.Sequence;
            chunk.Flips[i] = 0;
            chunk.LastSeen[i] = chunk.State[i] == (byte)HeartbeatState.Offline ? _nowMs - int.MaxValue : _nowMs;
            chunk.SleepUntil[i] = sleeps ? _nowMs + (long)(was.SleepUntil!.Value - wall).TotalMilliseconds : long.MinValue; // Not null when it sleeps.
            chunk.Terms[i] = chunk.Group[i] = 0;
            chunk.LateAfter[i] = chunk.OfflineAfter[i] = 0;
            chunk.Due[i] = Never;
            _counts[chunk.State[i]]++;
            return StateOf(chunk, i);
        }
    }

    /// <summary>A device is gone.</summary>
    public void Remove(string deviceId)
    {
        lock (_gate)
        {
            if (_slots.Remove(deviceId, out var slot))
            {
                var (chunk, i) = At(slot);
                if (!_reserved.Remove(deviceId))
                {
                    _counts[chunk.State[i]]--;
                }

                chunk.Ids[i] = null;
                chunk.Due[i] = Never;
                _refusals.Remove(slot);
                _free.Enqueue((slot, _nowMs));
            }
        }
    }

    /// <summary>Where a session of the device notes its life, also of one that is yet to be taken in.</summary>
    public HeartbeatMark MarkOf(string deviceId)
    {
        lock (_gate)
        {
            if (!_slots.ContainsKey(deviceId))
            {
                TakeSlot(deviceId);
                _reserved.Add(deviceId);
            }

            var (chunk, i) = At(_slots[deviceId]);
            return new HeartbeatMark(chunk.Heard, i);
        }
    }

    /// <summary>What is expected of the device from now on; a silent one is judged by it at once, in both directions.</summary>
    public void SetTerms(string deviceId, HeartbeatTerms terms, string? group)
    {
        lock (_gate)
        {
            if (TryFind(deviceId, out var chunk, out var i))
            {
                var number = _terms.NumberOf(terms);
                chunk.Group[i] = _groups.NumberOf(group ?? "");
                if (chunk.Terms[i] != number || chunk.LateAfter[i] == 0)
                {
                    chunk.Terms[i] = number;
                    chunk.LateAfter[i] = terms.LateAfterMs();
                    chunk.OfflineAfter[i] = terms.OfflineAfterMs();
                    chunk.Due[i] = 0;
                }
            }
        }
    }

    /// <summary>The device asks for a period of its own; it gets what its rule allows, which is nothing by default.</summary>
    public void Declare(string deviceId, TimeSpan every)
    {
        lock (_gate)
        {
            if (TryFind(deviceId, out var chunk, out var i) && _terms[chunk.Terms[i]] is { MaxEvery: { } longest } terms)
            {
                var allowed = every < terms.Every ? terms.Every : every > longest ? longest : every;
                chunk.LateAfter[i] = terms.LateAfterMs(allowed);
                chunk.OfflineAfter[i] = terms.OfflineAfterMs(allowed);
                chunk.Due[i] = 0;
            }
        }
    }

    /// <summary>The device says that it sleeps for so long; it is waited for as long as its rule allows, which is not at all by default.</summary>
    public void Sleep(string deviceId, TimeSpan duration, DateTimeOffset wall)
    {
        lock (_gate)
        {
            if (duration > TimeSpan.Zero && TryFind(deviceId, out var chunk, out var i) && _terms[chunk.Terms[i]].MaxSleep is { } longest)
            {
                // The message that says so is its last life; what comes after it wakes the device.
                chunk.Heard[i] = 0;
                chunk.LastSeen[i] = _nowMs;
                chunk.SeenAt[i] = wall.ToUnixTimeMilliseconds();
                chunk.SleepUntil[i] = _nowMs + (long)Math.Min(duration.TotalMilliseconds, longest.TotalMilliseconds);
                chunk.Due[i] = 0;
            }
        }
    }

    /// <summary>The identity was enabled or disabled.</summary>
    public HeartbeatTransition? SetEnabled(string deviceId, bool isEnabled, DateTimeOffset wall)
    {
        lock (_gate)
        {
            if (!TryFind(deviceId, out var chunk, out var i) || isEnabled == (StateOf(chunk, i) is not HeartbeatState.Disabled))
            {
                return null;
            }

            // Enabled again: its clock begins anew.
            chunk.LastSeen[i] = _nowMs;
            chunk.Heard[i] = 0;
            chunk.Due[i] = isEnabled ? 0 : Never;
            return Enter(chunk, i, isEnabled ? HeartbeatState.Unknown : HeartbeatState.Disabled, HeartbeatCause.Status, wall);
        }
    }

    /// <summary>Somebody who named the device was refused.</summary>
    public void Refused(string deviceId, string refusal)
    {
        lock (_gate)
        {
            if (!_slots.TryGetValue(deviceId, out var slot) || _reserved.Contains(deviceId))
            {
                return;
            }

            if (!_refusals.TryGetValue(slot, out var known))
            {
                if (_refusals.Count >= MaxFailing)
                {
                    return;
                }

                _refusals[slot] = known = new Refusals();
            }

            known.Add(_nowMs, refusal);
            var (chunk, i) = At(slot);
            if (known.IsFailing(_nowMs) && StateOf(chunk, i) is HeartbeatState.Unknown or HeartbeatState.Late or HeartbeatState.Offline or HeartbeatState.Failing)
            {
                chunk.Due[i] = 0;
            }
        }
    }

    /// <summary>
    /// Takes what sessions have noted, and finds whose time is over: one pass over all devices.
    /// </summary>
    /// <param name="nowMs">The hub's time (<see cref="HearingClock"/>).</param>
    /// <param name="wall">The wall clock, for records only.</param>
    /// <param name="transitions">Gets what has changed.</param>
    public void Scan(long nowMs, DateTimeOffset wall, List<HeartbeatTransition> transitions)
    {
        for (var n = 0; ; n++)
        {
            lock (_gate)
            {
                _nowMs = nowMs;
                if (n >= _chunks.Count)
                {
                    ForgetRefusals();
                    return;
                }

                var chunk = _chunks[n];
                var count = Math.Min(ChunkSize, _used - (n * ChunkSize));
                var heard = chunk.Heard.AsSpan(0, count);
                var due = chunk.Due.AsSpan(0, count);
                for (var i = 0; i < heard.Length; i++)
                {
                    if (heard[i] != 0 || due[i] <= nowMs)
                    {
                        if (Judge(chunk, i, wall) is { } transition)
                        {
                            transitions.Add(transition);
                        }
                    }
                }
            }
        }
    }

    /// <summary>What is known of a device; null where there is none.</summary>
    public HeartbeatRecord? Find(string deviceId)
    {
        lock (_gate)
        {
            return TryFind(deviceId, out var chunk, out var i) ? Describe(chunk, i) : null;
        }
    }

    /// <summary>Devices in a state (null: in any) and a group (null: in any), a page in the order of their slots.</summary>
    /// <param name="state">Null for all.</param>
    /// <param name="group">Null for all.</param>
    /// <param name="after">Where the last page ended; 0 for the first.</param>
    /// <param name="top">So many at most.</param>
    /// <param name="next">Where this page ends; null when nothing follows.</param>
    public List<HeartbeatRecord> List(HeartbeatState? state, string? group, int after, int top, out int? next)
    {
        var page = new List<HeartbeatRecord>();
        next = null;
        for (var slot = Math.Max(0, after); ; slot++)
        {
            // Short turns: a page may pass over a million others.
            lock (_gate)
            {
                for (var turn = 0; turn < ChunkSize && slot < _used; turn++, slot++)
                {
                    var (chunk, i) = At(slot);
                    if (chunk.Ids[i] is null
                        || (state is { } wanted && StateOf(chunk, i) != wanted)
                        || (group is not null && _groups[chunk.Group[i]] != group))
                    {
                        continue;
                    }

                    if (page.Count == top)
                    {
                        next = slot;
                        return page;
                    }

                    page.Add(Describe(chunk, i));
                }

                if (slot >= _used)
                {
                    return page;
                }

                slot--; // The loop's own step follows.
            }
        }
    }

    /// <summary>Devices of a group that are watched, and how many of them are silent; of the whole hub for null.</summary>
    public (int Watched, int Silent) CountGroup(string? group)
    {
        lock (_gate)
        {
            var number = group is null ? -1 : _groups.NumberOf(group);
            var (watched, silent) = (0, 0);
            for (var slot = 0; slot < _used; slot++)
            {
                var (chunk, i) = At(slot);
                if (chunk.Ids[i] is not null && (number < 0 || chunk.Group[i] == number)
                    && StateOf(chunk, i) is not (HeartbeatState.Unknown or HeartbeatState.Disabled or HeartbeatState.Sleeping))
                {
                    watched++;
                    silent += StateOf(chunk, i) is HeartbeatState.Late or HeartbeatState.Offline or HeartbeatState.Failing ? 1 : 0;
                }
            }

            return (watched, silent);
        }
    }

    // No false alarm: who was on the way to one gets a whole time anew, and who was offline stays so.
    private static HeartbeatState AfterRestart(in StoredHeartbeat was, bool sleeps) => was.State switch
    {
        HeartbeatState.Sleeping when sleeps => HeartbeatState.Sleeping,
        HeartbeatState.Disabled => HeartbeatState.Unknown,
        HeartbeatState.Failing => was.LastSeen is null ? HeartbeatState.Unknown : HeartbeatState.Offline,
        HeartbeatState.Late or HeartbeatState.Sleeping => HeartbeatState.Online,
        var state => state,
    };

    private HeartbeatTransition? Judge(HeartbeatChunk chunk, int i, DateTimeOffset wall)
    {
        var how = (HeardBits)Interlocked.Exchange(ref chunk.Heard[i], 0);
        var state = StateOf(chunk, i);
        if (chunk.Ids[i] is null || state is HeartbeatState.Disabled)
        {
            chunk.Due[i] = Never;
            return null;
        }

        // 1. Was it heard, with something that counts?
        var terms = _terms[chunk.Terms[i]];
        if (IsLife(how, terms.Counts))
        {
            chunk.LastSeen[i] = _nowMs;
            chunk.SeenAt[i] = wall.ToUnixTimeMilliseconds();
            if ((how & HeardBits.Heartbeat) != 0)
            {
                chunk.BeatAt[i] = (uint)wall.ToUnixTimeSeconds();
            }

            _refusals.Remove(SlotOf(chunk, i));
            chunk.SleepUntil[i] = long.MinValue;
            if (terms.IsWatched)
            {
                chunk.Due[i] = _nowMs + chunk.LateAfter[i];
                return state is HeartbeatState.Online ? null : Enter(
                    chunk, i, HeartbeatState.Online, (how & HeardBits.Backlog) != 0 ? HeartbeatCause.Backlog : HeartbeatCause.Heard, wall);
            }
        }

        // 2. Does it sleep? Then its silence begins when it wakes.
        if (chunk.SleepUntil[i] > _nowMs)
        {
            chunk.Due[i] = chunk.SleepUntil[i];
            return state is HeartbeatState.Sleeping ? null : Enter(chunk, i, HeartbeatState.Sleeping, HeartbeatCause.Sleep, wall);
        }

        // 3. How long has it been silent?
        return JudgeSilence(chunk, i, terms, wall);
    }

    private HeartbeatTransition? JudgeSilence(HeartbeatChunk chunk, int i, HeartbeatTerms terms, DateTimeOffset wall)
    {
        var state = StateOf(chunk, i);
        var began = Math.Max(chunk.LastSeen[i], chunk.SleepUntil[i]);
        var silent = _nowMs - began;
        HeartbeatState next;
        var cause = HeartbeatCause.Silence;
        if (!terms.IsWatched)
        {
            next = HeartbeatState.Unknown;
            cause = HeartbeatCause.Rule;
            chunk.Due[i] = Never;
        }
        else if (chunk.SeenAt[i] == 0)
        {
            var within = (long?)terms.FirstContactWithin?.TotalMilliseconds ?? Never;
            (next, cause) = silent >= within ? (HeartbeatState.Offline, HeartbeatCause.NeverSeen) : (HeartbeatState.Unknown, HeartbeatCause.Rule);
            chunk.Due[i] = within is Never || next is HeartbeatState.Offline ? Never : began + within;
        }
        else if (silent < chunk.LateAfter[i])
        {
            // Of one that was enabled again, or slept, nothing is known until it speaks.
            next = state is HeartbeatState.Unknown or HeartbeatState.Sleeping ? state : HeartbeatState.Online;
            cause = HeartbeatCause.Rule;
            chunk.Due[i] = began + chunk.LateAfter[i];
        }
        else if (silent < chunk.OfflineAfter[i])
        {
            next = HeartbeatState.Late;
            chunk.Due[i] = began + chunk.OfflineAfter[i];
        }
        else
        {
            next = HeartbeatState.Offline;
            chunk.Due[i] = Never;
        }

        if (next is not (HeartbeatState.Online or HeartbeatState.Sleeping)
            && _refusals.TryGetValue(SlotOf(chunk, i), out var refusals) && refusals.IsFailing(_nowMs))
        {
            (next, cause) = (HeartbeatState.Failing, HeartbeatCause.Refused);
            chunk.Due[i] = refusals.LastMs + FailureWindowMs;
        }

        return next == state ? null : Enter(chunk, i, next, cause, wall);
    }

    private HeartbeatTransition Enter(HeartbeatChunk chunk, int i, HeartbeatState state, HeartbeatCause cause, DateTimeOffset wall)
    {
        var previous = StateOf(chunk, i);
        _counts[(int)previous]--;
        _counts[(int)state]++;
        chunk.State[i] = (byte)state;
        chunk.Since[i] = wall.ToUnixTimeMilliseconds();
        chunk.Sequence[i]++;

        // Only coming and going counts: late is on the way to both.
        if (state is HeartbeatState.Offline or HeartbeatState.Failing || (state is HeartbeatState.Online && previous is HeartbeatState.Offline or HeartbeatState.Failing))
        {
            if (_nowMs - chunk.FlipsSince[i] * 1000L > FlapWindowMs)
            {
                chunk.FlipsSince[i] = (uint)(_nowMs / 1000);
                chunk.Flips[i] = 0;
            }

            chunk.Flips[i] = (byte)Math.Min(byte.MaxValue, chunk.Flips[i] + 1);
        }

        var record = Describe(chunk, i);
        return new HeartbeatTransition(
            record.DeviceId, record.Sequence, state, previous, cause, record.Since, record.LastSeen, record.Missed, record.Terms)
        {
            ExpectedEvery = record.ExpectedEvery,
            Group = record.Group,
            IsFlapping = record.IsFlapping,
            Refusal = record.Refusal,
            LastHeartbeat = record.LastHeartbeat,
            SleepUntil = state is HeartbeatState.Sleeping ? wall.AddMilliseconds(chunk.SleepUntil[i] - _nowMs) : null,
        };
    }

    private HeartbeatRecord Describe(HeartbeatChunk chunk, int i)
    {
        var terms = _terms[chunk.Terms[i]];
        var state = StateOf(chunk, i);
        var every = EveryOf(chunk, i, terms);
        var silent = _nowMs - Math.Max(chunk.LastSeen[i], chunk.SleepUntil[i]);
        return new HeartbeatRecord(
            chunk.Ids[i]!, // Asked before.
            state,
            DateTimeOffset.FromUnixTimeMilliseconds(chunk.Since[i]),
            chunk.SeenAt[i] == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(chunk.SeenAt[i]),
            chunk.BeatAt[i] == 0 ? null : DateTimeOffset.FromUnixTimeSeconds(chunk.BeatAt[i]),
            chunk.Sequence[i],
            terms.IsWatched && state is HeartbeatState.Late or HeartbeatState.Offline ? (int)Math.Min(1_000_000, silent / Math.Max(1, every.TotalMilliseconds)) : 0,
            every,
            terms,
            _groups[chunk.Group[i]] is { Length: > 0 } group ? group : null,
            chunk.Flips[i] >= FlipsToFlap && _nowMs - (chunk.FlipsSince[i] * 1000L) <= FlapWindowMs,
            _refusals.TryGetValue(SlotOf(chunk, i), out var refusals) ? refusals.Last : null);
    }

    // What the device chose is kept in its deadlines only.
    private static TimeSpan EveryOf(HeartbeatChunk chunk, int i, HeartbeatTerms terms)
    {
        if (chunk.LateAfter[i] == terms.LateAfterMs() || !terms.IsWatched)
        {
            return terms.Every;
        }

        return terms.MissedAllowed > 1
            ? TimeSpan.FromMilliseconds((chunk.OfflineAfter[i] - chunk.LateAfter[i]) / (double)(terms.MissedAllowed - 1))
            : TimeSpan.FromMilliseconds(chunk.LateAfter[i]);
    }

    private static bool IsLife(HeardBits how, HeartbeatActivity counts) => counts switch
    {
        HeartbeatActivity.Heartbeats => (how & HeardBits.Heartbeat) != 0,
        HeartbeatActivity.Any => how != 0,
        _ => (how & (HeardBits.Telemetry | HeardBits.Heartbeat)) != 0,
    };

    private void TakeSlot(string deviceId)
    {
        int slot;
        if (_free.TryPeek(out var oldest) && _nowMs - oldest.At >= SlotRestMs)
        {
            slot = _free.Dequeue().Slot;
        }
        else
        {
            slot = _used++;
            if (slot == _chunks.Count * ChunkSize)
            {
                _chunks.Add(new HeartbeatChunk(_chunks.Count, ChunkSize));
            }
        }

        _slots[deviceId] = slot;
        var (chunk, i) = At(slot);
        chunk.Heard[i] = 0;
        chunk.Due[i] = Never;
    }

    private void ForgetRefusals()
    {
        foreach (var (slot, refusals) in _refusals)
        {
            if (_nowMs - refusals.LastMs > FailureWindowMs && StateOf(At(slot).Chunk, At(slot).Index) is not HeartbeatState.Failing)
            {
                _refusals.Remove(slot); // Allowed while enumerating.
            }
        }
    }

    private bool TryFind(string deviceId, [NotNullWhen(true)] out HeartbeatChunk? chunk, out int index)
    {
        if (_slots.TryGetValue(deviceId, out var slot) && !_reserved.Contains(deviceId))
        {
            (chunk, index) = At(slot);
            return true;
        }

        (chunk, index) = (null, 0);
        return false;
    }

    private (HeartbeatChunk Chunk, int Index) At(int slot) => (_chunks[slot / ChunkSize], slot % ChunkSize);

    private static int SlotOf(HeartbeatChunk chunk, int i) => (chunk.Number * ChunkSize) + i;

    private static HeartbeatState StateOf(HeartbeatChunk chunk, int i) => (HeartbeatState)chunk.State[i];
}
