using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Nave.Protocol.Access;

/// <summary>Rules for symmetric keys of devices, modules and policies (spec/security.md 2.2).</summary>
public static class SharedAccessKey
{
    /// <summary>Fewest bytes of a key.</summary>
    public const int MinBytes = 16;

    /// <summary>Most bytes of a key.</summary>
    public const int MaxBytes = 64;

    /// <summary>The rule in words, for error messages.</summary>
    public const string Rule = "base64 of 16 to 64 bytes";

    /// <summary>Whether the text is a key.</summary>
    public static bool IsValid([NotNullWhen(true)] string? text)
    {
        Span<byte> decoded = stackalloc byte[MaxBytes];
        return text is not null && Convert.TryFromBase64String(text, decoded, out var count) && count >= MinBytes;
    }

    /// <summary>A new key: 32 random bytes.</summary>
    public static string Generate() => Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));
}
