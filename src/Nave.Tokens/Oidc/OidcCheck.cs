using System.Buffers.Text;
using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Nave.Tokens.Checks;

namespace Nave.Tokens.Oidc;

/// <summary>
/// Judges bearer tokens (JWT, RFC 7519) of one issuer: asymmetric algorithms only, keys from the configured document only
/// (<c>jku</c>, <c>x5u</c>, <c>jwk</c> and <c>x5c</c> in a token mean nothing), issuer, audience and expiry required.
/// </summary>
public sealed class OidcCheck : ICredentialCheck
{
    private static readonly HashSet<string> Algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"];

    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = 16, AllowDuplicateProperties = false };

    private static readonly TimeSpan ClockSkew = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(30);

    private readonly OidcOptions _options;
    private readonly KeySource _keys;
    private readonly TimeProvider _time;

    /// <param name="options">Whose tokens.</param>
    /// <param name="http">Verifies TLS and follows no redirects.</param>
    /// <param name="time">The wall clock.</param>
    /// <param name="logger">Told when the keys cannot be read.</param>
    public OidcCheck(OidcOptions options, HttpClient http, TimeProvider time, ILogger<OidcCheck> logger)
    {
        _options = options;
        _keys = new KeySource(http, options.JwksUrl, time, logger);
        _time = time;
    }

    /// <inheritdoc/>
    public string Name => "oidc";

    /// <inheritdoc/>
    public bool Judges(PresentedCredential credential) => credential.Bearer is not null;

    /// <inheritdoc/>
    public async ValueTask<CheckResult> CheckAsync(PresentedCredential credential, IPAddress address, CancellationToken stopping)
    {
        // 1. Form: header.payload.signature.
        var parts = credential.Bearer!.Split('.');
        if (parts.Length != 3 || !TryDecode(parts[0], out var headerBytes) || !TryDecode(parts[1], out var payloadBytes) || !TryDecode(parts[2], out var signature))
        {
            return Refused("it is no JWT");
        }

        using var header = TryParse(headerBytes);
        if (header is null)
        {
            return Refused("its header is no JSON object");
        }

        // 2. The header chooses among what we allow, and nothing else.
        var algorithm = Text(header.RootElement, "alg");
        if (algorithm is null || !Algorithms.Contains(algorithm))
        {
            return Refused("its algorithm is not an asymmetric one that is allowed");
        }

        if (header.RootElement.TryGetProperty("crit", out _))
        {
            return Refused("it asks for extensions (crit) that are not known");
        }

        // 3. The signature, before anything in the payload is believed.
        var (key, areKnown) = await _keys.FindAsync(Text(header.RootElement, "kid"), stopping);
        if (key is null)
        {
            return areKnown ? Refused("the issuer has no key of that name") : new CheckResult.Unavailable("the issuer's keys cannot be read", RetryAfter);
        }

        if (!key.Verifies(algorithm, Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"), signature))
        {
            return Refused("its signature does not verify");
        }

        // 4. The claims.
        using var payload = TryParse(payloadBytes);
        return payload is null ? Refused("its payload is no JSON object") : Judge(payload.RootElement);
    }

    private CheckResult Judge(JsonElement claims)
    {
        var now = _time.GetUtcNow();
        if (Text(claims, "iss") != _options.Issuer)
        {
            return Refused("it is of another issuer");
        }

        if (!HasAudience(claims))
        {
            return Refused("it is for another audience");
        }

        if (Seconds(claims, "exp") is not { } expiry)
        {
            return Refused("it has no expiry");
        }

        if (expiry + ClockSkew.TotalSeconds <= now.ToUnixTimeSeconds())
        {
            return Refused("it has expired");
        }

        if (claims.TryGetProperty("nbf", out _) && !(Seconds(claims, "nbf") <= now.ToUnixTimeSeconds() + ClockSkew.TotalSeconds))
        {
            return Refused("it is not valid yet");
        }

        return _options.Device.Apply(claims, out var reason) is { } device
            ? new CheckResult.Granted(device, Text(claims, "sub") ?? device.Value)
            : Refused(reason!);
    }

    private bool HasAudience(JsonElement claims) => claims.TryGetProperty("aud", out var audience) && audience.ValueKind switch
    {
        JsonValueKind.String => audience.GetString() == _options.Audience,
        JsonValueKind.Array => audience.EnumerateArray().Any(item => item.ValueKind is JsonValueKind.String && item.GetString() == _options.Audience),
        _ => false,
    };

    private static CheckResult.Refused Refused(string why) => new($"bearer token: {why}");

    private static bool TryDecode(string part, out byte[] bytes)
    {
        var isValid = part.Length > 0 && Base64Url.IsValid(part);
        bytes = isValid ? Base64Url.DecodeFromChars(part) : [];
        return isValid;
    }

    private static JsonDocument? TryParse(byte[] json)
    {
        try
        {
            var document = JsonDocument.Parse(json, Strict);
            if (document.RootElement.ValueKind is JsonValueKind.Object)
            {
                return document;
            }

            document.Dispose();
            return null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string? Text(JsonElement element, string name)
    {
        try
        {
            return element.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.String ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null; // Half a surrogate pair.
        }
    }

    private static double? Seconds(JsonElement claims, string name) =>
        claims.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.Number && value.TryGetDouble(out var seconds) && double.IsFinite(seconds)
            ? seconds
            : null;
}
