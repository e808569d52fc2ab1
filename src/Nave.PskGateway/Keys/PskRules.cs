using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Nave.PskGateway.Keys;

/// <summary>What identities and keys may be (spec/tls-psk.md 6).</summary>
public static class PskRules
{
    /// <summary>Longest identity, in bytes of UTF-8.</summary>
    public const int MaxIdentityBytes = 128;

    /// <summary>Fewer bytes are refused: 128 bits.</summary>
    public const int MinKeyBytes = 16;

    /// <summary>Fewer bytes are warned of.</summary>
    public const int GoodKeyBytes = 32;

    /// <summary>OpenSSL's own limit (PSK_MAX_PSK_LEN): a longer key no such client could use.</summary>
    public const int MaxKeyBytes = 512;

    /// <summary>What is wrong with an identity; null when nothing is.</summary>
    public static string? ProblemOfIdentity(string identity) =>
        identity.Length == 0 || Encoding.UTF8.GetByteCount(identity) > MaxIdentityBytes || identity.Any(char.IsControl)
            ? $"An identity has 1 to {MaxIdentityBytes} bytes, and no character that controls a terminal."
            : null;

    /// <summary>Reads a key in hex, as clients write it.</summary>
    /// <param name="hex">The text.</param>
    /// <param name="key">The key.</param>
    /// <param name="problem">What is wrong; does not show the key.</param>
    public static bool TryReadKey(string hex, [NotNullWhen(true)] out byte[]? key, [NotNullWhen(false)] out string? problem)
    {
        key = null;
        problem = null;
        try
        {
            key = Convert.FromHexString(hex);
        }
        catch (FormatException)
        {
            problem = "A key is written in hex: an even number of digits 0-9 a-f.";
            return false;
        }

        if (key.Length is < MinKeyBytes or > MaxKeyBytes)
        {
            problem = $"The key has {key.Length} bytes; it must have {MinKeyBytes} to {MaxKeyBytes}: a shorter one can be guessed.";
            key = null;
            return false;
        }

        return true;
    }

    /// <summary>A new key of good length.</summary>
    public static byte[] Generate() => RandomNumberGenerator.GetBytes(GoodKeyBytes);

    /// <summary>The key of an identity in a group.</summary>
    public static byte[] Derive(ReadOnlySpan<byte> groupKey, string identity) =>
        HMACSHA256.HashData(groupKey, Encoding.UTF8.GetBytes(identity));

    /// <summary>Reads an operator's pattern. It runs in linear time, whatever a stranger sends.</summary>
    public static bool TryReadPattern(string text, [NotNullWhen(true)] out Regex? pattern)
    {
        try
        {
            pattern = new Regex($@"\A(?:{text})\z", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
            return true;
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            pattern = null;
            return false;
        }
    }
}
