using Amqp;

namespace Nave.Hub.Heads.Amqp;

/// <summary>A message as it came, not decoded. Valid during the call that delivers it.</summary>
internal sealed class RawMessage(ByteBuffer encoded) : Message
{
    /// <summary>The encoded message.</summary>
    public ReadOnlySpan<byte> Encoded => encoded.Buffer.AsSpan(encoded.Offset, encoded.Length);

    /// <summary>Decodes it; null when it is malformed or nested beyond reason.</summary>
    public Message? TryDecode()
    {
        if (!AmqpShape.IsSound(Encoded))
        {
            return null;
        }

        try
        {
            return Decode(new ByteBuffer(encoded.Buffer, encoded.Offset, encoded.Length, encoded.Length));
        }
        catch (Exception e) when (e is AmqpException or InvalidCastException or ArgumentException or InvalidOperationException
            or IndexOutOfRangeException or OverflowException or FormatException or NullReferenceException)
        {
            return null; // The library's ways to say that a section is not what its descriptor promises.
        }
    }
}
