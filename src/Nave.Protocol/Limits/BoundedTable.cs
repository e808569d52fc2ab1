using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Nave.Protocol.Limits;

/// <summary>
/// A table of fixed size for what strangers can cause entries in. A key that finds its set full takes the place of the
/// entry that is worth least, so that a flood forgets others' little things and costs no memory. Keys are hashed under a
/// random key of this process: nobody can aim at a set.
/// </summary>
/// <param name="sets">A power of two.</param>
/// <param name="worth">What an entry is worth keeping; 0 or less for nothing.</param>
public sealed class BoundedTable<T>(int sets, Func<T, double> worth)
    where T : struct
{
    private const int Ways = 4;
    private const int Stripes = 64;

    private readonly byte[] _hashKey = RandomNumberGenerator.GetBytes(32);
    private readonly Slot[] _slots = new Slot[sets * Ways];
    private readonly Lock[] _locks = [.. Enumerable.Range(0, Stripes).Select(_ => new Lock())];

    /// <summary>Changes or reads an entry in place, under the lock of its set.</summary>
    public delegate TResult Change<in TArg, out TResult>(ref T value, TArg argument);

    /// <summary>Changes the entry; a new one begins as the default value.</summary>
    public TResult Update<TArg, TResult>(string key, TArg argument, Change<TArg, TResult> change)
    {
        var (set, tag) = Locate(key);
        lock (_locks[set % Stripes])
        {
            ref var slot = ref FindOrTake(set, tag);
            return change(ref slot.Value, argument);
        }
    }

    /// <summary>Reads the entry, if there is one; makes none.</summary>
    public TResult? Read<TArg, TResult>(string key, TArg argument, Change<TArg, TResult> read)
    {
        var (set, tag) = Locate(key);
        lock (_locks[set % Stripes])
        {
            for (var i = set * Ways; i < (set + 1) * Ways; i++)
            {
                if (_slots[i].IsUsed && _slots[i].Tag == tag)
                {
                    return read(ref _slots[i].Value, argument);
                }
            }

            return default;
        }
    }

    private ref Slot FindOrTake(int set, UInt128 tag)
    {
        var take = set * Ways;
        var least = double.MaxValue;
        for (var i = set * Ways; i < (set + 1) * Ways; i++)
        {
            if (_slots[i].IsUsed && _slots[i].Tag == tag)
            {
                return ref _slots[i];
            }

            var value = _slots[i].IsUsed ? worth(_slots[i].Value) : double.MinValue;
            if (value < least)
            {
                (take, least) = (i, value);
            }
        }

        _slots[take] = new Slot { IsUsed = true, Tag = tag };
        return ref _slots[take];
    }

    private (int Set, UInt128 Tag) Locate(string key)
    {
        Span<byte> hash = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(_hashKey, Encoding.UTF8.GetBytes(key), hash);
        return (
            (int)(BinaryPrimitives.ReadUInt32LittleEndian(hash[16..]) & (uint)(sets - 1)),
            BinaryPrimitives.ReadUInt128LittleEndian(hash));
    }

    private struct Slot
    {
        public bool IsUsed;
        public UInt128 Tag;
        public T Value;
    }
}
