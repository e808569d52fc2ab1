using System.Buffers;

namespace Nave.Mqtt;

/// <summary>
/// One whole packet as it lies in the receive buffer: its first byte has been checked, its body has not. Valid as long
/// as the sequence it was cut from. The packet types' <c>Read</c> methods turn it into a packet.
/// </summary>
public readonly struct MqttFrame
{
    private readonly byte _first;
    private readonly bool _hasOverlongLength;

    internal MqttFrame(byte first, bool hasOverlongLength, in ReadOnlySequence<byte> body)
    {
        _first = first;
        _hasOverlongLength = hasOverlongLength;
        Body = body;
    }

    /// <summary>Which packet it is.</summary>
    public PacketType Type => (PacketType)(_first >> 4);

    /// <summary>The low half of the first byte.</summary>
    public byte Flags => (byte)(_first & 0x0F);

    /// <summary>Variable header and payload: what the remaining length counts.</summary>
    public ReadOnlySequence<byte> Body { get; }

    /// <summary>The body in one piece; copied only where it lies in several.</summary>
    internal ReadOnlySpan<byte> ContiguousBody => Body.IsSingleSegment ? Body.FirstSpan : Body.ToArray();

    /// <summary>Guards every <c>Read</c>.</summary>
    /// <exception cref="ArgumentException">Our own mistake: this is another packet.</exception>
    /// <exception cref="MalformedPacketException">MQTT 5 wants the shortest form of the remaining length.</exception>
    internal void Expect(PacketType type, MqttVersion version)
    {
        if (Type != type)
        {
            throw new ArgumentException($"The frame holds {Type}, not {type}.");
        }

        if (_hasOverlongLength && version is MqttVersion.V5)
        {
            throw new MalformedPacketException(MqttRule.VariableByteInteger);
        }
    }
}
