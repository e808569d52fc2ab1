using System.Buffers;

namespace Nave.Mqtt;

/// <summary>PINGREQ and PINGRESP (MQTT 3.12, 3.13): a fixed header and nothing else, so there is nothing to read.</summary>
public static class PingPacket
{
    /// <summary>Writes a PINGREQ: two bytes.</summary>
    public static void WriteRequest(IBufferWriter<byte> output) => output.Write<byte>([0xC0, 0]);

    /// <summary>Writes a PINGRESP: two bytes.</summary>
    public static void WriteResponse(IBufferWriter<byte> output) => output.Write<byte>([0xD0, 0]);
}
