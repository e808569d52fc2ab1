using System.Net;
using System.Net.Sockets;

namespace Nave.Hub.Access;

/// <summary>
/// How many refused credentials an address still has to its credit, asked before any signature is computed
/// (spec/security.md 10). A fixed table: an address that finds its set full takes the place of the one with most credit,
/// so that a stranger with many addresses forgets others' failures, and never costs memory.
/// </summary>
internal sealed class FailureLimit(int limit, TimeProvider time)
{
    private const int Sets = 4096;
    private const int Ways = 4;

    private readonly Slot[] _slots = new Slot[Sets * Ways];
    private readonly Lock[] _locks = [.. Enumerable.Range(0, 64).Select(_ => new Lock())];

    /// <summary>Whether another attempt from the address is looked at.</summary>
    public bool MayTry(IPAddress? address)
    {
        if (limit <= 0 || address is null)
        {
            return true;
        }

        var key = KeyOf(address);
        var set = SetOf(key);
        lock (_locks[set % _locks.Length])
        {
            return Find(set, key) is var slot and >= 0 ? Refill(ref _slots[slot]) < limit - 0.5 : true;
        }
    }

    /// <summary>An attempt from the address was refused.</summary>
    public void Failed(IPAddress? address)
    {
        if (limit <= 0 || address is null)
        {
            return;
        }

        var key = KeyOf(address);
        var set = SetOf(key);
        lock (_locks[set % _locks.Length])
        {
            var found = Find(set, key);
            ref var slot = ref _slots[found >= 0 ? found : Weakest(set)];
            if (found < 0)
            {
                slot = new Slot { IsUsed = true, Key = key, At = time.GetTimestamp() };
            }

            slot.Failures = Math.Min(Refill(ref slot) + 1, limit);
        }
    }

    private double Refill(ref Slot slot)
    {
        var now = time.GetTimestamp();
        var gained = time.GetElapsedTime(slot.At, now).TotalSeconds * limit / 60;
        slot.Failures = Math.Max(0, slot.Failures - gained);
        slot.At = now;
        return slot.Failures;
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

            if (Refill(ref _slots[i]) < _slots[weakest].Failures)
            {
                weakest = i;
            }
        }

        return weakest;
    }

    // HashCode is seeded per process: nobody can aim at another's set.
    private static int SetOf(UInt128 key) => (int)((uint)HashCode.Combine(key) % Sets);

    // Whoever has one IPv6 address has 2^64: the network counts.
    private static UInt128 KeyOf(IPAddress address)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        Span<byte> bytes = stackalloc byte[16];
        plain.TryWriteBytes(bytes, out _);
        if (plain.AddressFamily is AddressFamily.InterNetworkV6)
        {
            bytes[8..].Clear();
            bytes[15] = 1;
        }

        return System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(bytes);
    }

    private struct Slot
    {
        public bool IsUsed;
        public UInt128 Key;
        public long At;
        public double Failures;
    }
}
