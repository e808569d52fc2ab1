using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Nave.Tokens.Tests.Oidc;

/// <summary>An identity provider: keys, their document, and tokens as the test wants them.</summary>
internal sealed class Issuer : IDisposable
{
    public const string Name = "https://login.example";

    public const string Audience = "nave-tokens";

    public RSA Rsa { get; } = RSA.Create(2048);

    public ECDsa Ec { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public string Jwks()
    {
        var (rsa, ec) = (Rsa.ExportParameters(false), Ec.ExportParameters(false));
        return new JsonObject
        {
            ["keys"] = new JsonArray(
                new JsonObject { ["kty"] = "RSA", ["kid"] = "r1", ["use"] = "sig", ["n"] = Encode(rsa.Modulus!), ["e"] = Encode(rsa.Exponent!) },
                new JsonObject { ["kty"] = "EC", ["kid"] = "e1", ["crv"] = "P-256", ["x"] = Encode(ec.Q.X!), ["y"] = Encode(ec.Q.Y!) },
                new JsonObject { ["kty"] = "oct", ["kid"] = "h1", ["k"] = Encode(new byte[32]) }),
        }.ToJsonString();
    }

    public static JsonObject Claims(DateTimeOffset now) => new()
    {
        ["iss"] = Name,
        ["aud"] = Audience,
        ["sub"] = "dev1",
        ["exp"] = now.AddMinutes(5).ToUnixTimeSeconds(),
    };

    public string Sign(JsonObject claims, string algorithm = "RS256", string? kid = null, JsonObject? more = null)
    {
        var header = new JsonObject { ["alg"] = algorithm, ["typ"] = "JWT", ["kid"] = kid ?? (algorithm.StartsWith("ES", StringComparison.Ordinal) ? "e1" : "r1") };
        foreach (var (name, value) in more ?? [])
        {
            header[name] = value?.DeepClone();
        }

        var signed = $"{Encode(JsonSerializer.SerializeToUtf8Bytes(header))}.{Encode(JsonSerializer.SerializeToUtf8Bytes(claims))}";
        var data = Encoding.ASCII.GetBytes(signed);
        byte[] signature = algorithm switch
        {
            "RS256" => Rsa.SignData(data, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1),
            "PS256" => Rsa.SignData(data, HashAlgorithmName.SHA256, RSASignaturePadding.Pss),
            "PS512" => Rsa.SignData(data, HashAlgorithmName.SHA512, RSASignaturePadding.Pss),
            "ES256" => Ec.SignData(data, HashAlgorithmName.SHA256),
            "HS256" => HMACSHA256.HashData(Encoding.UTF8.GetBytes(Rsa.ExportSubjectPublicKeyInfoPem()), data),
            _ => new byte[32],
        };
        return $"{signed}.{Encode(signature)}";
    }

    public void Dispose()
    {
        Rsa.Dispose();
        Ec.Dispose();
    }

    private static string Encode(byte[] bytes) => Base64Url.EncodeToString(bytes);
}
