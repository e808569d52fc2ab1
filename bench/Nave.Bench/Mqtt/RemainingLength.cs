namespace Nave.Bench.Mqtt;

/// <summary>The length in a fixed header: seven bits a byte, low ones first (MQTT 3.1.1 section 2.2.3).</summary>
internal static class RemainingLength
{
    public static byte[] Encode(int length)
    {
        var bytes = new List<byte>(4);
        do
        {
            var more = length > 0x7f ? 0x80 : 0;
            bytes.Add((byte)((length & 0x7f) | more));
            length >>= 7;
        }
        while (length > 0);

        return [.. bytes];
    }

    /// <summary>Reads the header of the packet that starts at the first byte.</summary>
    /// <returns>False while bytes are missing. A length of more than four bytes comes out as a body of -1.</returns>
    public static bool TryRead(ReadOnlySpan<byte> packet, out int headerBytes, out int bodyBytes)
    {
        bodyBytes = 0;
        for (headerBytes = 1; headerBytes <= 4; headerBytes++)
        {
            if (headerBytes >= packet.Length)
            {
                return false;
            }

            bodyBytes |= (packet[headerBytes] & 0x7f) << (7 * (headerBytes - 1));
            if (packet[headerBytes] < 0x80)
            {
                headerBytes++;
                return true;
            }
        }

        bodyBytes = -1;
        return true;
    }
}
