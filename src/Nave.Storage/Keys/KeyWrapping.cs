using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Nave.Storage.Schema;

namespace Nave.Storage.Keys;

/// <summary>
/// Wraps the keys of devices and policies before they go into the database, with a master key that does not lie in it
/// (AES-256-GCM). The context names the place that a secret belongs to, and is authenticated: a wrapped key that was
/// moved to another row does not open. Any thread may call.
/// </summary>
/// <remarks>Format 1: version byte, master key id (4, little endian), nonce (12), tag (16), ciphertext.</remarks>
public sealed class KeyWrapping
{
    private const byte Format = 1;
    private const int IdAt = 1;
    private const int NonceAt = 5;
    private const int NonceBytes = 12;
    private const int TagAt = NonceAt + NonceBytes;
    private const int TagBytes = 16;
    private const int SecretAt = TagAt + TagBytes;
    private const string CheckContext = "nave/key-check";

    private readonly MasterKeys _keys;

    private KeyWrapping(MasterKeys keys) => _keys = keys;

    /// <summary>The table that tells whether the master key file is the one that the data was written with.</summary>
    public static SchemaPart SchemaPart { get; } = new(
        "keys", ["CREATE TABLE key_check (id {long} NOT NULL PRIMARY KEY, wrapped {blob} NOT NULL)"]);

    /// <summary>
    /// Reads the master key file, or makes one for a database that holds nothing wrapped yet. A missing or foreign file
    /// beside data is refused: a new key could not read the old ones.
    /// </summary>
    /// <param name="database">Opened with <see cref="SchemaPart"/>.</param>
    /// <param name="path">The key file, outside of the database.</param>
    /// <param name="stopping">Stops the look-up.</param>
    /// <exception cref="NotOurDataException">The file is missing, damaged, or another database's.</exception>
    public static async Task<KeyWrapping> OpenAsync(HubDatabase database, string path, CancellationToken stopping)
    {
        var check = await database.ReadAsync(
            session => session.Find("SELECT wrapped FROM key_check WHERE id = 1", row => (byte[])row[0]), stopping);
        if (check is null)
        {
            var created = new KeyWrapping(MasterKeys.Read(path) ?? MasterKeys.Create(path));
            var wrapped = created.Wrap("nave"u8, CheckContext);
            await database.WriteAsync(
                session => session.Execute("INSERT INTO key_check (id, wrapped) VALUES (1, @wrapped)", ("@wrapped", wrapped)), stopping);
            return created;
        }

        var keys = MasterKeys.Read(path) ?? throw new NotOurDataException(
            $"{path} is missing, and the database holds keys that were wrapped with it. Restore the file from a backup.");
        var opened = new KeyWrapping(keys);
        return opened.TryUnwrap(check, CheckContext, out _)
            ? opened
            : throw new NotOurDataException($"{path} is not the key file that the database was written with.");
    }

    /// <summary>Wraps a secret for its place.</summary>
    public byte[] Wrap(ReadOnlySpan<byte> secret, string context)
    {
        var wrapped = new byte[SecretAt + secret.Length];
        wrapped[0] = Format;
        BinaryPrimitives.WriteUInt32LittleEndian(wrapped.AsSpan(IdAt), _keys.CurrentId);
        var nonce = wrapped.AsSpan(NonceAt, NonceBytes);
        RandomNumberGenerator.Fill(nonce);
        using var cipher = new AesGcm(_keys.Find(_keys.CurrentId)!, TagBytes);
        cipher.Encrypt(nonce, secret, wrapped.AsSpan(SecretAt), wrapped.AsSpan(TagAt, TagBytes), Encoding.UTF8.GetBytes(context));
        return wrapped;
    }

    /// <summary>Opens a wrapped secret; false when it is damaged, of another place or of an unknown master key.</summary>
    public bool TryUnwrap(ReadOnlySpan<byte> wrapped, string context, [NotNullWhen(true)] out byte[]? secret)
    {
        secret = null;
        if (wrapped.Length < SecretAt || wrapped[0] != Format
            || _keys.Find(BinaryPrimitives.ReadUInt32LittleEndian(wrapped[IdAt..])) is not { } key)
        {
            return false;
        }

        var opened = new byte[wrapped.Length - SecretAt];
        using var cipher = new AesGcm(key, TagBytes);
        try
        {
            cipher.Decrypt(
                wrapped.Slice(NonceAt, NonceBytes), wrapped[SecretAt..], wrapped.Slice(TagAt, TagBytes), opened, Encoding.UTF8.GetBytes(context));
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }

        secret = opened;
        return true;
    }

    /// <summary>Opens what must open.</summary>
    /// <exception cref="NotOurDataException">It does not: the row was damaged or moved.</exception>
    public byte[] Unwrap(ReadOnlySpan<byte> wrapped, string context) => TryUnwrap(wrapped, context, out var secret)
        ? secret
        : throw new NotOurDataException($"The wrapped key of '{context}' does not open.");
}
