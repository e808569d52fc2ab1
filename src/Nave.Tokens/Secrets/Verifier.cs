using System.Globalization;

namespace Nave.Tokens.Secrets;

/// <summary>
/// What the table holds instead of a secret, as text in the manner of the PHC strings:
/// <c>$hmac-sha256$k=KEY$HASH</c> for generated secrets, <c>$argon2id$v=19$m=M,t=T,p=P[,keyid=KEY]$SALT$HASH</c> for
/// chosen passwords. KEY names the server key in eight hex digits; without one (a table that another program filled) the
/// hash is computed without.
/// </summary>
internal abstract record Verifier
{
    // Work that a row may ask for: a foreign row must not cost more than a few of ours.
    private const int MostMemoryKiB = 65_536;
    private const int MostPasses = 10;
    private const int MostLanes = 4;
    private const int MostTextLength = 400;

    /// <summary>A generated secret of 128 bits or more: a keyed hash is all it needs.</summary>
    internal sealed record Generated(uint KeyId, byte[] Hash) : Verifier
    {
        /// <inheritdoc/>
        public override string ToString() => $"$hmac-sha256$k={KeyId:x8}${Base64(Hash)}";
    }

    /// <summary>A chosen password.</summary>
    internal sealed record Chosen(Argon2Cost Cost, uint? KeyId, byte[] Salt, byte[] Hash) : Verifier
    {
        /// <inheritdoc/>
        public override string ToString() => string.Create(
            CultureInfo.InvariantCulture,
            $"$argon2id$v=19$m={Cost.MemoryKiB},t={Cost.Passes},p={Cost.Lanes}{(KeyId is { } key ? $",keyid={key:x8}" : "")}${Base64(Salt)}${Base64(Hash)}");
    }

    /// <summary>Reads a row's text; null when it is none or asks for too much work.</summary>
    public static Verifier? TryParse(string? text)
    {
        if (text is null || text.Length > MostTextLength)
        {
            return null;
        }

        return text.Split('$') switch
        {
            ["", "hmac-sha256", ['k', '=', .. var key], var hash] when TryKey(key) is { } id && TryBase64(hash, 32, 32) is { } bytes =>
                new Generated(id, bytes),
            ["", "argon2id", "v=19", var fields, var salt, var hash] when TryBase64(salt, 8, 64) is { } saltBytes && TryBase64(hash, 16, 64) is { } bytes =>
                TryChosen(fields.Split(','), saltBytes, bytes),
            _ => null,
        };
    }

    private static Chosen? TryChosen(string[] fields, byte[] salt, byte[] hash)
    {
        if (fields is not [['m', '=', .. var m], ['t', '=', .. var t], ['p', '=', .. var p], .. var rest]
            || !TryNumber(m, MostMemoryKiB, out var memory) || !TryNumber(t, MostPasses, out var passes) || !TryNumber(p, MostLanes, out var lanes)
            || memory < 8 * lanes)
        {
            return null;
        }

        var cost = new Argon2Cost(memory, passes, lanes);
        return rest switch
        {
            [] => new Chosen(cost, null, salt, hash),
            [['k', 'e', 'y', 'i', 'd', '=', .. var key]] when TryKey(key) is { } id => new Chosen(cost, id, salt, hash),
            _ => null,
        };
    }

    private static bool TryNumber(string text, int most, out int value) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value >= 1 && value <= most;

    private static uint? TryKey(string text) =>
        text.Length == 8 && uint.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var id) ? id : null;

    private static string Base64(byte[] bytes) => Convert.ToBase64String(bytes).TrimEnd('=');

    private static byte[]? TryBase64(string text, int least, int most)
    {
        var padded = text.PadRight((text.Length + 3) / 4 * 4, '=');
        var bytes = new byte[padded.Length];
        return Convert.TryFromBase64String(padded, bytes, out var count) && count >= least && count <= most ? bytes[..count] : null;
    }
}

/// <summary>How much work a password hash is.</summary>
internal readonly record struct Argon2Cost(int MemoryKiB, int Passes, int Lanes)
{
    /// <summary>19 MiB, two passes, one lane: the least that OWASP recommends, since a device waits and many may come.</summary>
    public static readonly Argon2Cost Default = new(19_456, 2, 1);
}
