using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Nave.Storage.Keys;

namespace Nave.PskGateway.Keys;

/// <summary>
/// Seals pre-shared keys for their rows (spec/tls-psk.md 6): AES-256-GCM under a data key of the row's own, which the
/// master key wraps. Identity and key id are authenticated by both: a row moved to another identity does not open.
/// </summary>
/// <remarks>Length of the wrapped data key (2, little endian), wrapped data key, nonce (12), tag (16), ciphertext.</remarks>
internal sealed class PskSeal(KeyWrapping wrapping)
{
    private const int DataKeyBytes = 32;
    private const int LengthBytes = 2;
    private const int NonceBytes = 12;
    private const int TagBytes = 16;

    /// <summary>Seals a key for its place.</summary>
    public byte[] Seal(ReadOnlySpan<byte> key, string context)
    {
        var dataKey = RandomNumberGenerator.GetBytes(DataKeyBytes);
        try
        {
            var wrapped = wrapping.Wrap(dataKey, context);
            var row = new byte[LengthBytes + wrapped.Length + NonceBytes + TagBytes + key.Length];
            BinaryPrimitives.WriteUInt16LittleEndian(row, (ushort)wrapped.Length);
            wrapped.CopyTo(row.AsSpan(LengthBytes));
            var body = row.AsSpan(LengthBytes + wrapped.Length);
            RandomNumberGenerator.Fill(body[..NonceBytes]);
            using var cipher = new AesGcm(dataKey, TagBytes);
            cipher.Encrypt(
                body[..NonceBytes], key, body[(NonceBytes + TagBytes)..], body.Slice(NonceBytes, TagBytes), Encoding.UTF8.GetBytes(context));
            return row;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(dataKey);
        }
    }

    /// <summary>Opens a sealed key; false when it is damaged, of another place or of an unknown master key.</summary>
    public bool TryOpen(ReadOnlySpan<byte> row, string context, [NotNullWhen(true)] out byte[]? key)
    {
        key = null;
        if (row.Length < LengthBytes)
        {
            return false;
        }

        var wrappedBytes = BinaryPrimitives.ReadUInt16LittleEndian(row);
        if (row.Length < LengthBytes + wrappedBytes + NonceBytes + TagBytes
            || !wrapping.TryUnwrap(row.Slice(LengthBytes, wrappedBytes), context, out var dataKey))
        {
            return false;
        }

        var body = row[(LengthBytes + wrappedBytes)..];
        var opened = new byte[body.Length - NonceBytes - TagBytes];
        using var cipher = new AesGcm(dataKey, TagBytes);
        CryptographicOperations.ZeroMemory(dataKey);
        try
        {
            cipher.Decrypt(
                body[..NonceBytes], body[(NonceBytes + TagBytes)..], body.Slice(NonceBytes, TagBytes), opened, Encoding.UTF8.GetBytes(context));
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }

        key = opened;
        return true;
    }
}
