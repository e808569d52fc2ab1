using System.Buffers.Binary;
using System.Text;

namespace Nave.Bench.Mqtt;

/// <summary>
/// A connection's whole window of publishes, encoded once. The window is a ring of slots; a slot's bytes never change
/// (a QoS 1 slot has its own packet id for good: slot + 1), so sending is one system call over a part of the block and
/// costs the generator nothing per message.
/// </summary>
/// <remarks>
/// QoS 1: a slot is one PUBLISH, acknowledged by its PUBACK. QoS 0: a slot is a run of PUBLISHes and a PINGREQ behind
/// them, whose PINGRESP says that the server has read them; two slots keep the server busy meanwhile.
/// </remarks>
internal sealed record PublishBlock(byte[] Bytes, int SlotBytes, int Slots, int MessagesPerSlot)
{
    private const int SlotsForQos0 = 2;
    private static readonly byte[] PingRequest = [0xc0, 0x00];

    public static PublishBlock Create(string topic, ReadOnlySpan<byte> payload, int qos, int window)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(qos is 0 or 1, true);
        ArgumentOutOfRangeException.ThrowIfLessThan(window, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(window, ushort.MaxValue);

        var publish = Publish(topic, payload, qos, out var packetIdAt);
        if (qos is 0)
        {
            byte[] slot = [.. Enumerable.Repeat(publish, window).SelectMany(bytes => bytes), .. PingRequest];
            return new PublishBlock([.. slot, .. slot], slot.Length, SlotsForQos0, window);
        }

        var block = new byte[publish.Length * window];
        for (var slot = 0; slot < window; slot++)
        {
            var packet = block.AsSpan(slot * publish.Length, publish.Length);
            publish.CopyTo(packet);
            BinaryPrimitives.WriteUInt16BigEndian(packet[packetIdAt..], (ushort)(slot + 1));
        }

        return new PublishBlock(block, publish.Length, window, 1);
    }

    private static byte[] Publish(string topic, ReadOnlySpan<byte> payload, int qos, out int packetIdAt)
    {
        var topicBytes = Encoding.UTF8.GetBytes(topic);
        var length = RemainingLength.Encode(2 + topicBytes.Length + (qos * 2) + payload.Length);
        packetIdAt = 1 + length.Length + 2 + topicBytes.Length;
        return
        [
            (byte)(0x30 | (qos << 1)),
            .. length,
            (byte)(topicBytes.Length >> 8), (byte)topicBytes.Length, .. topicBytes,
            .. new byte[qos * 2],
            .. payload,
        ];
    }
}
