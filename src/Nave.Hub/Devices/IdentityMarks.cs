using System.Security.Cryptography;
using System.Text;

namespace Nave.Hub.Devices;

/// <summary>Makes what tells identities and their versions apart. Any thread.</summary>
internal sealed class IdentityMarks(TimeProvider time)
{
    private long _lastGeneration;

    /// <summary>
    /// Decimal digits, 100 ns ticks as the service's own look, and never the same twice: two creates in one tick, or a
    /// clock that stands still, still differ.
    /// </summary>
    public string NextGenerationId()
    {
        long last, next;
        do
        {
            last = Volatile.Read(ref _lastGeneration);
            next = Math.Max(last + 1, time.GetUtcNow().Ticks);
        }
        while (Interlocked.CompareExchange(ref _lastGeneration, next, last) != last);
        return next.ToString();
    }

    /// <summary>Base64 of a random decimal number, as the service's own look. It is the row's version, so it must not come back.</summary>
    public static string NewETag()
    {
        var number = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong))) >> 4;
        return Convert.ToBase64String(Encoding.ASCII.GetBytes(number.ToString()));
    }
}
