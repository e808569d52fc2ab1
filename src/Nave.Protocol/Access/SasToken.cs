using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Nave.Protocol.Errors;

namespace Nave.Protocol.Access;

/// <summary>
/// A shared access signature: <c>SharedAccessSignature sr=…&amp;sig=…&amp;se=…[&amp;skn=…]</c> (spec/security.md 2). Reading one
/// proves nothing; <see cref="FindSigner"/> does.
/// </summary>
public sealed class SasToken
{
    /// <summary>What a token begins with, followed by one blank.</summary>
    public const string Prefix = "SharedAccessSignature";

    private const int SignatureBytes = SHA256.HashSizeInBytes;

    // Stands in for a key that is not there, so that an unknown identity costs what a known one does.
    private static readonly byte[] NoKey = new byte[32];

    private readonly byte[] _signature;

    private SasToken(string resource, byte[] signature, string expiry, DateTimeOffset expiresAt, string? policyName)
    {
        Resource = resource;
        _signature = signature;
        Expiry = expiry;
        ExpiresAt = expiresAt;
        PolicyName = policyName;
        Scope = ResourceScope.Parse(Uri.UnescapeDataString(resource));
    }

    /// <summary>The <c>sr</c> field as received: what the signature covers.</summary>
    public string Resource { get; }

    /// <summary>The resource decoded once: what the token is for.</summary>
    public ResourceScope Scope { get; }

    /// <summary>The <c>se</c> field as received: what the signature covers.</summary>
    public string Expiry { get; }

    /// <summary>When the token ends, no allowance for wrong clocks added.</summary>
    public DateTimeOffset ExpiresAt { get; }

    /// <summary>The <c>skn</c> field; null for tokens signed with the key of a device or module.</summary>
    public string? PolicyName { get; }

    /// <summary>Reads a token by the rules of spec/security.md 2.1; the failure's detail names the rule broken.</summary>
    public static Outcome<SasToken> Parse(string? text)
    {
        if (text is null || Encoding.UTF8.GetByteCount(text) > HubLimits.MaxTokenBytes)
        {
            return Malformed($"it is longer than {HubLimits.MaxTokenBytes} bytes");
        }

        if (!text.StartsWith(Prefix + " ", StringComparison.Ordinal))
        {
            return Malformed($"it does not begin with '{Prefix} '");
        }

        var fields = text.AsSpan(Prefix.Length + 1);
        if (fields.IsEmpty || char.IsWhiteSpace(fields[0]) || char.IsWhiteSpace(fields[^1]))
        {
            return Malformed("there is white space where none may be");
        }

        // A line break inside sr would move the border between resource and expiry in what is signed.
        return fields.ContainsAnyInRange('\0', '\u001f') ? Malformed("it holds control characters") : ParseFields(fields);
    }

    /// <summary>
    /// Which of the two keys signed the token. Always computes with both, and compares in constant time, so that the time
    /// taken tells nothing (spec/security.md 2.2).
    /// </summary>
    /// <param name="primaryKey">Base64, or null: it then never matches.</param>
    /// <param name="secondaryKey">Base64, or null: it then never matches.</param>
    /// <param name="convention">Which forms of the key may have signed.</param>
    public SasSigner FindSigner(string? primaryKey, string? secondaryKey, SigningConvention convention = SigningConvention.IotHub)
    {
        var message = Encoding.UTF8.GetBytes($"{Resource}\n{Expiry}");
        var isPrimary = IsSignedWith(primaryKey, message, convention);
        var isSecondary = IsSignedWith(secondaryKey, message, convention);
        return isPrimary ? SasSigner.Primary : isSecondary ? SasSigner.Secondary : SasSigner.None;
    }

    /// <summary>Makes a token.</summary>
    /// <param name="resource">The resource, nothing encoded: <c>{host}[/devices/{id}[/modules/{mid}]]</c>.</param>
    /// <param name="key">Base64.</param>
    /// <param name="expiresAt">When it ends; whole seconds.</param>
    /// <param name="policyName">The policy whose key it is; null for the key of a device or module.</param>
    /// <exception cref="FormatException">The key is not base64.</exception>
    public static string Mint(string resource, string key, DateTimeOffset expiresAt, string? policyName = null)
    {
        var sr = Uri.EscapeDataString(resource);
        var se = expiresAt.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var signature = HMACSHA256.HashData(Convert.FromBase64String(key), Encoding.UTF8.GetBytes($"{sr}\n{se}"));
        var sig = Uri.EscapeDataString(Convert.ToBase64String(signature));
        var skn = policyName is null ? "" : $"&skn={Uri.EscapeDataString(policyName)}";
        return $"{Prefix} sr={sr}&sig={sig}&se={se}{skn}";
    }

    /// <summary>Everything but the signature, for logs.</summary>
    public override string ToString() => $"sr={Resource}&se={Expiry}&skn={PolicyName}";

    private static Outcome<SasToken> ParseFields(ReadOnlySpan<char> fields)
    {
        string? sr = null, sig = null, se = null, skn = null;
        foreach (var range in fields.Split('&'))
        {
            var field = fields[range];
            if (field.IsEmpty)
            {
                continue;
            }

            var equals = field.IndexOf('=');
            if (equals < 0)
            {
                return Malformed("a field has no '='");
            }

            var value = field[(equals + 1)..].ToString();
            var isRepeated = field[..equals] switch
            {
                var name when Is(name, "sr") => !TrySet(ref sr, value),
                var name when Is(name, "sig") => !TrySet(ref sig, value),
                var name when Is(name, "se") => !TrySet(ref se, value),
                var name when Is(name, "skn") => !TrySet(ref skn, value),
                _ => false, // Unknown fields are the future's.
            };
            if (isRepeated)
            {
                return Malformed("a field is there twice");
            }
        }

        if (string.IsNullOrEmpty(sr) || string.IsNullOrEmpty(sig) || string.IsNullOrEmpty(se))
        {
            return Malformed("sr, sig or se is missing");
        }

        return !TryReadSignature(sig, out var signature) ? Malformed("sig is not the base64 of 32 bytes")
            : !TryReadExpiry(se, out var expiresAt) ? Malformed("se is not a number of seconds since 1970")
            : new SasToken(sr, signature, se, expiresAt, string.IsNullOrEmpty(skn) ? null : Uri.UnescapeDataString(skn));
    }

    private static bool Is(ReadOnlySpan<char> name, string expected) => name.Equals(expected, StringComparison.OrdinalIgnoreCase);

    private static bool TrySet(ref string? field, string value)
    {
        var isFirst = field is null;
        field = value;
        return isFirst;
    }

    private static bool TryReadSignature(string text, out byte[] signature)
    {
        // Some clients leave '+' as it is, and something on the way has form-decoded it.
        var base64 = Uri.UnescapeDataString(text).Replace(' ', '+');
        signature = new byte[SignatureBytes];
        Span<byte> decoded = stackalloc byte[SignatureBytes + 4];
        if (!Convert.TryFromBase64String(base64, decoded, out var count) || count != SignatureBytes)
        {
            return false;
        }

        decoded[..SignatureBytes].CopyTo(signature);
        return true;
    }

    private static bool TryReadExpiry(string text, out DateTimeOffset expiresAt)
    {
        const NumberStyles Style = NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        expiresAt = DateTimeOffset.MaxValue;
        if (!double.TryParse(text, Style, CultureInfo.InvariantCulture, out var seconds) || !double.IsFinite(seconds) || seconds < 0)
        {
            return false;
        }

        // Milliseconds by mistake and the year 9999 are legal: they mean "never".
        if (seconds < DateTimeOffset.MaxValue.ToUnixTimeSeconds())
        {
            expiresAt = DateTimeOffset.UnixEpoch.AddSeconds(seconds);
        }

        return true;
    }

    private bool IsSignedWith(string? key, byte[] message, SigningConvention convention)
    {
        var isSigned = false;
        if (convention.HasFlag(SigningConvention.IotHub))
        {
            var decoded = TryDecode(key);
            isSigned = (decoded is not null) & Signs(decoded ?? NoKey, message);
        }

        if (convention.HasFlag(SigningConvention.EventHubs))
        {
            isSigned |= (key is not null) & Signs(key is null ? NoKey : Encoding.UTF8.GetBytes(key), message);
        }

        return isSigned;
    }

    private bool Signs(byte[] key, byte[] message)
    {
        Span<byte> expected = stackalloc byte[SignatureBytes];
        HMACSHA256.HashData(key, message, expected);
        return CryptographicOperations.FixedTimeEquals(expected, _signature);
    }

    private static byte[]? TryDecode(string? key)
    {
        Span<byte> decoded = stackalloc byte[128];
        return key is not null && Convert.TryFromBase64String(key, decoded, out var count) && count > 0 ? decoded[..count].ToArray() : null;
    }

    private static HubFailure Malformed(string what) => HubFailures.Unauthorized.Because($"malformed token: {what}");
}

/// <summary>Which key of a pair signed a token.</summary>
public enum SasSigner
{
    /// <summary>Neither.</summary>
    None,

    /// <summary>The primary key.</summary>
    Primary,

    /// <summary>The secondary key.</summary>
    Secondary,
}

/// <summary>What clients take for the key when they sign (spec/events-endpoint.md 2).</summary>
[Flags]
public enum SigningConvention
{
    /// <summary>The bytes that the key's base64 text stands for.</summary>
    IotHub = 1,

    /// <summary>The UTF-8 bytes of the key's text.</summary>
    EventHubs = 2,

    /// <summary>Either.</summary>
    Both = IotHub | EventHubs,
}
