using System.Buffers.Binary;

namespace Nave.Bench.Mqtt;

/// <summary>What a server's bytes tell a publisher.</summary>
internal interface IAckSink
{
    void ConnectAnswered(byte code);

    void Acknowledged(ushort packetId);

    void PingAnswered();

    void Unexpected(byte packetType);
}

/// <summary>Reads acknowledgements in bulk: whatever one read brought, whole packets only.</summary>
internal static class AckReader
{
    /// <summary>How many bytes were whole packets (the rest waits for more), or negative for malformed input.</summary>
    public static int Read<TSink>(ReadOnlySpan<byte> bytes, TSink sink)
        where TSink : IAckSink, allows ref struct
    {
        var at = 0;
        while (true)
        {
            // The usual case: PUBACK after PUBACK.
            while (bytes.Length - at >= 4 && bytes[at] is 0x40 && bytes[at + 1] is 2)
            {
                sink.Acknowledged(BinaryPrimitives.ReadUInt16BigEndian(bytes[(at + 2)..]));
                at += 4;
            }

            var rest = bytes[at..];
            if (!RemainingLength.TryRead(rest, out var headerBytes, out var bodyBytes))
            {
                return at;
            }

            if (bodyBytes < 0)
            {
                return -1;
            }

            if (rest.Length - headerBytes < bodyBytes)
            {
                return at;
            }

            if (!TryHandle(rest[0], rest.Slice(headerBytes, bodyBytes), sink))
            {
                return -1;
            }

            at += headerBytes + bodyBytes;
        }
    }

    private static bool TryHandle<TSink>(byte header, ReadOnlySpan<byte> body, TSink sink)
        where TSink : IAckSink, allows ref struct
    {
        switch (header)
        {
            case 0x20 when body.Length is 2:
                sink.ConnectAnswered(body[1]);
                return true;
            case 0xd0 when body.Length is 0:
                sink.PingAnswered();
                return true;
            case 0x20 or 0x40 or 0xd0:
                return false;
            default:
                sink.Unexpected((byte)(header >> 4));
                return true;
        }
    }
}
