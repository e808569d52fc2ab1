using System.Buffers;

namespace Nave.Mqtt.Tests.Harness;

/// <summary>Hex, and sequences in pieces.</summary>
internal static class Bytes
{
    public static byte[] FromHex(string hex) => Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal));

    public static string ToHex(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);

    public static ReadOnlySequence<byte> OnePiece(byte[] bytes) => new(bytes);

    public static ReadOnlySequence<byte> TwoPieces(byte[] bytes, int at) => Pieces(bytes[..at], bytes[at..]);

    public static ReadOnlySequence<byte> SingleBytes(byte[] bytes) => Pieces([.. bytes.Select(b => new[] { b })]);

    public static ReadOnlySequence<byte> Pieces(params byte[][] pieces)
    {
        if (pieces.Length is 0)
        {
            return ReadOnlySequence<byte>.Empty;
        }

        var first = new Piece(pieces[0], 0);
        var last = pieces.Skip(1).Aggregate(first, (before, piece) => before.Append(piece));
        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    private sealed class Piece : ReadOnlySequenceSegment<byte>
    {
        public Piece(byte[] bytes, long before)
        {
            Memory = bytes;
            RunningIndex = before;
        }

        public Piece Append(byte[] bytes)
        {
            var next = new Piece(bytes, RunningIndex + Memory.Length);
            Next = next;
            return next;
        }
    }
}
