namespace Nave.Protocol.Access;

/// <summary>Thumbprints of certificates: SHA-1 or SHA-256 of the DER form (spec/security.md 6.2).</summary>
public static class Thumbprint
{
    /// <summary>The rule in words, for error messages.</summary>
    public const string Rule = "40 (SHA-1) or 64 (SHA-256) hexadecimal digits, with or without colons and spaces";

    /// <summary>Upper case, no separators; null when the text is no thumbprint.</summary>
    public static string? Normalise(string? text)
    {
        if (text is null || text.Length > 200)
        {
            return null;
        }

        var digits = new string([.. text.Where(c => c is not (':' or ' ' or '\u200e'))]); // Windows' certificate window puts a mark in front.
        return digits.Length is 40 or 64 && digits.All(char.IsAsciiHexDigit) ? digits.ToUpperInvariant() : null;
    }
}
