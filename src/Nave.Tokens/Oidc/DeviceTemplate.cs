using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;
using Nave.Protocol.Identities;

namespace Nave.Tokens.Oidc;

/// <summary>
/// Makes one whole, valid device id from claims, such as <c>meter-{sub}</c>. Claims that a user may edit himself are
/// refused when the template is read; a claim that is absent, no text, or would reach over the template's own separators
/// yields nothing.
/// </summary>
public sealed class DeviceTemplate
{
    // OpenID Connect Core 5.1 and 5.7: only sub, with iss, is stable and the issuer's; these are the user's own.
    private static readonly HashSet<string> Editable = new(StringComparer.OrdinalIgnoreCase)
    {
        "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website",
        "email", "gender", "birthdate", "zoneinfo", "locale", "phone_number", "address", "upn", "unique_name",
    };

    // Text and claims in turn: text first and last, perhaps empty.
    private readonly List<string> _texts;
    private readonly List<string> _claims;

    private DeviceTemplate(List<string> texts, List<string> claims)
    {
        _texts = texts;
        _claims = claims;
    }

    /// <summary>Reads a template.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out DeviceTemplate? template, [NotNullWhen(false)] out string? problem)
    {
        template = null;
        problem = null;
        var (texts, claims) = (new List<string>(), new List<string>());
        var rest = text.AsSpan();
        while (rest.IndexOf('{') is var open and >= 0)
        {
            var close = rest.IndexOf('}');
            if (close < open + 2)
            {
                problem = "a '{' has no claim and '}' behind it";
                return false;
            }

            texts.Add(rest[..open].ToString());
            claims.Add(rest[(open + 1)..close].ToString());
            rest = rest[(close + 1)..];
        }

        texts.Add(rest.ToString());
        problem = claims.Count == 0 ? "it names no claim, so every token would be for the same device"
            : texts.Any(part => part.Length > 0 && !IdentityText.IsValid(part)) ? $"its text is not what device ids are made of: {IdentityText.Rule}"
            : texts.Skip(1).Take(claims.Count - 1).Any(part => part.Length == 0) ? "two claims need text between them, or two pairs of values would make one id"
            : claims.FirstOrDefault(Editable.Contains) is { } editable ? $"users may change the claim '{editable}' themselves; use one that the issuer controls, such as sub"
            : null;
        template = problem is null ? new DeviceTemplate(texts, claims) : null;
        return template is not null;
    }

    /// <summary>The device of a token's claims; null with the reason when they yield none.</summary>
    public DeviceId? Apply(JsonElement claims, out string? reason)
    {
        var id = new StringBuilder(_texts[0]);
        for (var i = 0; i < _claims.Count; i++)
        {
            if (!claims.TryGetProperty(_claims[i], out var value) || value.ValueKind is not JsonValueKind.String || value.GetString() is not { Length: > 0 } text)
            {
                reason = $"the claim '{_claims[i]}' is absent or no text";
                return null;
            }

            // The separators are the template's: {a}-{b} must not take a-b from {a} alone.
            if (_claims.Count > 1 && _texts.Skip(1).Take(_claims.Count - 1).Any(separator => text.Contains(separator, StringComparison.Ordinal)))
            {
                reason = $"the claim '{_claims[i]}' holds a separator of the template";
                return null;
            }

            id.Append(text).Append(_texts[i + 1]);
        }

        reason = DeviceId.TryParse(id.ToString(), out var device) ? null : $"its claims make no device id: {IdentityText.Rule}";
        return reason is null ? device : null;
    }
}
