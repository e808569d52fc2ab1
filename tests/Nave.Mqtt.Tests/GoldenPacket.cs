using System.Buffers;

namespace Nave.Mqtt.Tests;

/// <summary>A packet and its bytes, which were put together by hand from the standard's tables.</summary>
public sealed record GoldenPacket(string Name, MqttVersion Version, string Hex, Action<IBufferWriter<byte>> Write)
{
    public byte[] ToBytes() => Harness.Bytes.FromHex(Hex);

    public override string ToString() => $"{Version} {Name}";
}
