using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;

namespace Nave.Tokens.Oidc;

/// <summary>The keys of a JWKS document that may verify signatures: RSA of 2,048 bits or more and the three NIST curves. Immutable.</summary>
internal sealed class SigningKeys
{
    private const int MostKeys = 64;
    private const int LeastRsaBits = 2048;
    private const int MostRsaBits = 8192;

    private readonly Dictionary<string, SigningKey> _byId;
    private readonly SigningKey? _only;

    private SigningKeys(Dictionary<string, SigningKey> byId, SigningKey? only)
    {
        _byId = byId;
        _only = only;
    }

    /// <summary>No keys.</summary>
    public static SigningKeys None { get; } = new([], null);

    /// <summary>How many there are.</summary>
    public int Count => Math.Max(_byId.Count, _only is null ? 0 : 1);

    /// <summary>Reads a document; keys that are not for this are passed over. Null when it is none.</summary>
    public static SigningKeys? TryParse(ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 8 });
            if (document.RootElement.ValueKind is not JsonValueKind.Object
                || !document.RootElement.TryGetProperty("keys", out var list) || list.ValueKind is not JsonValueKind.Array)
            {
                return null;
            }

            var byId = new Dictionary<string, SigningKey>(StringComparer.Ordinal);
            var all = new List<SigningKey>();
            foreach (var entry in list.EnumerateArray().Take(MostKeys))
            {
                if (SigningKey.TryRead(entry) is { } key)
                {
                    all.Add(key);
                    if (key.Id is { } id)
                    {
                        byId[id] = key;
                    }
                }
            }

            return new SigningKeys(byId, all.Count == 1 ? all[0] : null);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>The key that a token names; one without a name may mean the only key.</summary>
    public SigningKey? Find(string? id) => id is null ? _only : _byId.GetValueOrDefault(id);

    /// <summary>One key.</summary>
    internal sealed class SigningKey
    {
        private readonly RSAParameters? _rsa;
        private readonly ECParameters? _ec;
        private readonly string? _algorithm;

        private SigningKey(string? id, string? algorithm, RSAParameters? rsa, ECParameters? ec)
        {
            Id = id;
            _algorithm = algorithm;
            _rsa = rsa;
            _ec = ec;
        }

        public string? Id { get; }

        /// <summary>Null when the entry is no key for signatures.</summary>
        public static SigningKey? TryRead(JsonElement entry)
        {
            if (entry.ValueKind is not JsonValueKind.Object || Text(entry, "use") is not (null or "sig"))
            {
                return null;
            }

            var (id, algorithm) = (Text(entry, "kid"), Text(entry, "alg"));
            return Text(entry, "kty") switch
            {
                "RSA" when Bytes(entry, "n") is { } n && Bytes(entry, "e") is { Length: <= 8 } e && n.Length * 8 is >= LeastRsaBits and <= MostRsaBits =>
                    new SigningKey(id, algorithm, new RSAParameters { Modulus = n, Exponent = e }, null),
                "EC" when CurveOf(Text(entry, "crv")) is var (curve, size) && Bytes(entry, "x") is { } x && Bytes(entry, "y") is { } y && x.Length == size && y.Length == size =>
                    new SigningKey(id, algorithm, null, new ECParameters { Curve = curve, Q = new ECPoint { X = x, Y = y } }),
                _ => null,
            };
        }

        /// <summary>Whether it signed the data by that algorithm. Only asymmetric algorithms exist here, so no key can be taken for an HMAC secret.</summary>
        public bool Verifies(string algorithm, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
        {
            if (_algorithm is not null && _algorithm != algorithm)
            {
                return false;
            }

            try
            {
                return algorithm switch
                {
                    "RS256" or "RS384" or "RS512" when _rsa is { } rsa => VerifiesRsa(rsa, algorithm, data, signature, RSASignaturePadding.Pkcs1),
                    "PS256" or "PS384" or "PS512" when _rsa is { } rsa => VerifiesRsa(rsa, algorithm, data, signature, RSASignaturePadding.Pss),
                    "ES256" when _ec is { Q.X.Length: 32 } ec => VerifiesEc(ec, algorithm, data, signature),
                    "ES384" when _ec is { Q.X.Length: 48 } ec => VerifiesEc(ec, algorithm, data, signature),
                    "ES512" when _ec is { Q.X.Length: 66 } ec => VerifiesEc(ec, algorithm, data, signature),
                    _ => false,
                };
            }
            catch (CryptographicException)
            {
                return false; // A point that is not on the curve, a modulus that is none.
            }
        }

        private static bool VerifiesRsa(RSAParameters parameters, string algorithm, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature, RSASignaturePadding padding)
        {
            using var rsa = RSA.Create(parameters);
            return rsa.VerifyData(data, signature, HashOf(algorithm), padding);
        }

        private static bool VerifiesEc(ECParameters parameters, string algorithm, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
        {
            using var ec = ECDsa.Create(parameters);
            return ec.VerifyData(data, signature, HashOf(algorithm), DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        }

        private static HashAlgorithmName HashOf(string algorithm) => algorithm[2..] switch
        {
            "256" => HashAlgorithmName.SHA256,
            "384" => HashAlgorithmName.SHA384,
            _ => HashAlgorithmName.SHA512,
        };

        private static (ECCurve Curve, int Size)? CurveOf(string? name) => name switch
        {
            "P-256" => (ECCurve.NamedCurves.nistP256, 32),
            "P-384" => (ECCurve.NamedCurves.nistP384, 48),
            "P-521" => (ECCurve.NamedCurves.nistP521, 66),
            _ => null,
        };

        private static string? Text(JsonElement entry, string name) =>
            entry.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.String ? value.GetString() : null;

        private static byte[]? Bytes(JsonElement entry, string name) =>
            Text(entry, name) is { Length: > 0 and <= 2048 } text && Base64Url.IsValid(text) ? Base64Url.DecodeFromChars(text) : null;
    }
}
