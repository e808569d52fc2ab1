using System.Security.Cryptography;

namespace Nave.Hub;

/// <summary>Names that nobody can guess: 128 random bits. Of locks, method calls and lives of a node.</summary>
internal static class RandomId
{
    /// <summary>A name that nothing else has.</summary>
    public static Guid New()
    {
        Span<byte> bytes = stackalloc byte[16];
        RandomNumberGenerator.Fill(bytes);
        return new Guid(bytes);
    }
}
