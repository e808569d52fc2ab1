using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Nave.PskGateway.Tls;

/// <summary>The proof of an external key in a first ClientHello of TLS 1.3 (RFC 8446 4.2.11.2), with SHA-256.</summary>
internal static class PskBinder
{
    private const int HashBytes = SHA256.HashSizeInBytes;

    /// <summary>What binders are computed over.</summary>
    public static byte[] TranscriptOf(ClientHello hello) => SHA256.HashData(hello.Message.AsSpan(..^hello.BindersBytes));

    /// <summary>The binder of a key.</summary>
    /// <param name="key">The pre-shared key.</param>
    /// <param name="transcript">From <see cref="TranscriptOf"/>.</param>
    public static byte[] Of(ReadOnlySpan<byte> key, ReadOnlySpan<byte> transcript)
    {
        Span<byte> early = stackalloc byte[HashBytes];
        Span<byte> noSalt = stackalloc byte[HashBytes];
        noSalt.Clear();
        HKDF.Extract(HashAlgorithmName.SHA256, key, noSalt, early);
        Span<byte> binderKey = stackalloc byte[HashBytes];
        ExpandLabel(early, "ext binder", SHA256.HashData([]), binderKey);
        Span<byte> finishedKey = stackalloc byte[HashBytes];
        ExpandLabel(binderKey, "finished", [], finishedKey);
        return HMACSHA256.HashData(finishedKey, transcript);
    }

    /// <summary>Whether the key made the binder; takes as long either way.</summary>
    public static bool IsOf(ReadOnlySpan<byte> key, ReadOnlySpan<byte> transcript, ReadOnlySpan<byte> binder) =>
        CryptographicOperations.FixedTimeEquals(Of(key, transcript), binder);

    // RFC 8446 7.1.
    private static void ExpandLabel(ReadOnlySpan<byte> secret, string label, ReadOnlySpan<byte> context, Span<byte> output)
    {
        var name = Encoding.ASCII.GetBytes("tls13 " + label);
        var info = new byte[2 + 1 + name.Length + 1 + context.Length];
        BinaryPrimitives.WriteUInt16BigEndian(info, (ushort)output.Length);
        info[2] = (byte)name.Length;
        name.CopyTo(info, 3);
        info[3 + name.Length] = (byte)context.Length;
        context.CopyTo(info.AsSpan(4 + name.Length));
        HKDF.Expand(HashAlgorithmName.SHA256, secret, output, info);
    }
}
