using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Nave.Hub.Access;

/// <summary>
/// What many have spent of a limit that each of them has, paid back by the second. A fixed table: one that finds its set full
/// takes the place of the one that has spent least, so that a stranger with many names or addresses has others forgotten,
/// and never costs memory. Any thread may call.
/// </summary>
/// <param name="limit">What one has at the most.</param>
/// <param name="perSecond">What comes back.</param>
/// <param name="time">Monotonic.</param>
internal sealed class SpendTable(double limit, double perSecond, TimeProvider time)
{
    private const int Sets = 4096;
    private const int Ways = 4;

    private readonly Slot[] _slots = new Slot[Sets * Ways];
    private readonly Lock[] _locks = [.. Enumerable.Range(0, 64).Select(_ => new Lock())];

    /// <summary>An address. Whoever has one IPv6 address has 2^64: the network counts.</summary>
    public static UInt128 KeyOf(IPAddress address)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        Span<byte> bytes = stackalloc byte[16];
        plain.TryWriteBytes(bytes, out _);
        if (plain.AddressFamily is AddressFamily.InterNetworkV6)
        {
            bytes[8..].Clear();
            bytes[15] = 1;
        }

        return BinaryPrimitives.ReadUInt128BigEndian(bytes);
    }

    /// <summary>What it has spent.</summary>
    public double Spent(UInt128 key)
    {
        var set = SetOf(key);
        lock (_locks[set % _locks.Length])
        {
            return Find(set, key) is var slot and >= 0 ? Refill(ref _slots[slot]) : 0;
        }
    }

    /// <summary>Spends, whether there is so much or not; never more than the limit.</summary>
    public void Spend(UInt128 key, double amount)
    {
        var set = SetOf(key);
        lock (_locks[set % _locks.Length])
        {
            ref var slot = ref Take(set, key);
            slot.Spent = Math.Min(Refill(ref slot) + amount, limit);
        }
    }

    /// <summary>Spends all or nothing. More than the limit is spent where nothing has been yet, and is owed.</summary>
    public bool TrySpend(UInt128 key, double amount)
    {
        var set = SetOf(key);
        lock (_locks[set % _locks.Length])
        {
            ref var slot = ref Take(set, key);
            if (Refill(ref slot) is var spent && spent > 0 && spent + amount > limit)
            {
                return false;
            }

            slot.Spent += amount;
            return true;
        }
    }

    /// <summary>Spends as many of what is wanted as there are.</summary>
    public int SpendUpTo(UInt128 key, int wanted)
    {
        var set = SetOf(key);
        lock (_locks[set % _locks.Length])
        {
            ref var slot = ref Take(set, key);
            var granted = (int)Math.Clamp(Math.Floor(limit - Refill(ref slot) + 1e-6), 0, wanted);
            slot.Spent += granted;
            return granted;
        }
    }

    private ref Slot Take(int set, UInt128 key)
    {
        var found = Find(set, key);
        ref var slot = ref _slots[found >= 0 ? found : Weakest(set)];
        if (found < 0)
        {
            slot = new Slot { IsUsed = true, Key = key, At = time.GetTimestamp() };
        }

        return ref slot;
    }

    private double Refill(ref Slot slot)
    {
        var now = time.GetTimestamp();
        slot.Spent = Math.Max(0, slot.Spent - (time.GetElapsedTime(slot.At, now).TotalSeconds * perSecond));
        slot.At = now;
        return slot.Spent;
    }

    private int Find(int set, UInt128 key)
    {
        for (var i = set * Ways; i < (set + 1) * Ways; i++)
        {
            if (_slots[i].IsUsed && _slots[i].Key == key)
            {
                return i;
            }
        }

        return -1;
    }

    private int Weakest(int set)
    {
        var weakest = set * Ways;
        for (var i = weakest; i < (set + 1) * Ways; i++)
        {
            if (!_slots[i].IsUsed)
            {
                return i;
            }

            if (Refill(ref _slots[i]) < _slots[weakest].Spent)
            {
                weakest = i;
            }
        }

        return weakest;
    }

    // HashCode is seeded per process: nobody can aim at another's set.
    private static int SetOf(UInt128 key) => (int)((uint)HashCode.Combine(key) % Sets);

    private struct Slot
    {
        public bool IsUsed;
        public UInt128 Key;
        public long At;
        public double Spent;
    }
}
