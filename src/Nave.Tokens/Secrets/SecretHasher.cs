using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Nave.Protocol.Identities;
using Nave.Storage.Keys;
using Org.BouncyCastle.Crypto.Generators;
using Org.BouncyCastle.Crypto.Parameters;

namespace Nave.Tokens.Secrets;

/// <summary>
/// Makes and compares verifiers, under the server key and bound to identity and device: a row that was copied to another
/// identity, or pointed at another device, verifies nothing. Any thread may call; an Argon2id hash takes tens of milliseconds of a core.
/// </summary>
internal sealed class SecretHasher(VerifierKeys keys)
{
    private const string GeneratedPurpose = "nave/tokens/generated-secret";
    private const string ChosenPurpose = "nave/tokens/chosen-password";
    private const int SaltBytes = 16;
    private const int HashBytes = 32;

    // Stands in for a key or a row that is not there, so that it costs the same.
    private static readonly byte[] NoKey = new byte[32];
    private static readonly byte[] NoSalt = new byte[SaltBytes];

    private readonly ConcurrentDictionary<(uint Id, string Purpose), byte[]?> _keys = new();

    /// <summary>The verifier of a generated secret.</summary>
    public Verifier.Generated MakeGenerated(string identity, DeviceId device, string secret) =>
        new(keys.CurrentId, Mac(KeyOf(keys.CurrentId, GeneratedPurpose) ?? NoKey, identity, device.Value, secret));

    /// <summary>The verifier of a chosen password.</summary>
    public Verifier.Chosen MakeChosen(string identity, DeviceId device, string password)
    {
        var salt = RandomNumberGenerator.GetBytes(SaltBytes);
        return new Verifier.Chosen(
            Argon2Cost.Default, keys.CurrentId, salt,
            Argon2(Argon2Cost.Default, KeyOf(keys.CurrentId, ChosenPurpose), Context(identity, device.Value), salt, password, HashBytes));
    }

    /// <summary>Whether the secret is the row's; with null in place of the row false, at the same cost.</summary>
    public bool IsGenerated(Verifier.Generated? row, string identity, string device, string secret)
    {
        var key = KeyOf(row?.KeyId ?? keys.CurrentId, GeneratedPurpose);
        var hash = Mac(key ?? NoKey, identity, device, secret);
        return CryptographicOperations.FixedTimeEquals(hash, row?.Hash ?? NoKey) & row is not null & key is not null;
    }

    /// <summary>The same for a password: runs one Argon2id whatever the row is.</summary>
    public bool IsChosen(Verifier.Chosen? row, string identity, string device, string password)
    {
        var isForeign = row is { KeyId: null };
        var key = KeyOf(row?.KeyId ?? keys.CurrentId, ChosenPurpose);
        var hash = Argon2(
            row?.Cost ?? Argon2Cost.Default, isForeign ? null : key ?? NoKey, isForeign ? null : Context(identity, device),
            row?.Salt ?? NoSalt, password, row?.Hash.Length ?? HashBytes);
        return CryptographicOperations.FixedTimeEquals(hash, row?.Hash ?? NoKey) & row is not null & (isForeign | key is not null);
    }

    private byte[]? KeyOf(uint id, string purpose) =>
        _keys.TryGetValue((id, purpose), out var key) ? key : _keys.Count > 64 ? keys.Find(id, purpose) : _keys.GetOrAdd((id, purpose), k => keys.Find(k.Id, k.Purpose));

    private static byte[] Mac(byte[] key, string identity, string device, string secret)
    {
        using var mac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
        mac.AppendData(Context(identity, device));
        mac.AppendData(Encoding.UTF8.GetBytes(secret));
        return mac.GetHashAndReset();
    }

    // Lengths before texts: no two pairs have the same bytes.
    private static byte[] Context(string identity, string device)
    {
        var name = Encoding.UTF8.GetBytes(identity);
        var id = Encoding.UTF8.GetBytes(device);
        var context = new byte[8 + name.Length + id.Length];
        BinaryPrimitives.WriteInt32LittleEndian(context, name.Length);
        name.CopyTo(context, 4);
        BinaryPrimitives.WriteInt32LittleEndian(context.AsSpan(4 + name.Length), id.Length);
        id.CopyTo(context, 8 + name.Length);
        return context;
    }

    private static byte[] Argon2(Argon2Cost cost, byte[]? key, byte[]? context, byte[] salt, string password, int length)
    {
        var parameters = new Argon2Parameters.Builder(Argon2Parameters.Argon2id)
            .WithVersion(Argon2Parameters.Version13)
            .WithMemoryAsKB(cost.MemoryKiB)
            .WithIterations(cost.Passes)
            .WithParallelism(cost.Lanes)
            .WithSalt(salt);
        if (key is not null)
        {
            parameters.WithSecret(key);
        }

        if (context is not null)
        {
            parameters.WithAdditional(context);
        }

        var hash = new byte[length];
        var generator = new Argon2BytesGenerator();
        generator.Init(parameters.Build());
        generator.GenerateBytes(Encoding.UTF8.GetBytes(password), hash);
        return hash;
    }
}
