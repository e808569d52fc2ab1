using System.Buffers;
using System.Runtime.CompilerServices;

namespace Nave.Mqtt;

/// <summary>Cuts whole packets off the front of what has been received.</summary>
public static class FrameReader
{
    /// <summary>Type and flags, and a remaining length of four bytes.</summary>
    private const int MaxHeaderBytes = 5;

    /// <summary>What the flags of each packet type must be; PUBLISH, which uses them, is looked at apart.</summary>
    private static ReadOnlySpan<byte> FixedFlags => [0, 0, 0, 0, 0, 0, 2, 0, 2, 0, 2, 0, 0, 0, 0, 0];

    /// <summary>
    /// Takes the next packet off <paramref name="unread"/> when all of it is there. Judges what can be judged before
    /// that: type, flags and announced size.
    /// </summary>
    /// <param name="unread">What has been received; shortened by the packet when there is one.</param>
    /// <param name="maxPacketBytes">The limit in force, fixed header included.</param>
    /// <param name="frame">The packet. Its type is a known one, its flags are legal, its body is unread.</param>
    /// <returns>False for "not yet".</returns>
    /// <exception cref="PacketTooLargeException">The packet would be over the limit.</exception>
    /// <exception cref="MalformedPacketException">No further bytes can make this a packet.</exception>
    public static bool TryReadFrame(ref ReadOnlySequence<byte> unread, int maxPacketBytes, out MqttFrame frame)
    {
        var start = unread.FirstSpan;
        Header header;
        if (start.Length >= MaxHeaderBytes || unread.IsSingleSegment)
        {
            header = ReadHeader(start);
        }
        else
        {
            header = ReadHeaderAcrossSegments(unread);
        }

        if (header.HeaderBytes is 0)
        {
            frame = default;
            return false;
        }

        var packetBytes = header.HeaderBytes + header.BodyBytes;
        if (packetBytes > maxPacketBytes)
        {
            throw new PacketTooLargeException(packetBytes, maxPacketBytes);
        }

        if (unread.Length < packetBytes)
        {
            frame = default;
            return false;
        }

        frame = new MqttFrame(header.First, header.IsOverlong, unread.Slice(header.HeaderBytes, header.BodyBytes));
        unread = unread.Slice(packetBytes);
        return true;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Header ReadHeaderAcrossSegments(in ReadOnlySequence<byte> unread)
    {
        Span<byte> copy = stackalloc byte[MaxHeaderBytes];
        var length = (int)Math.Min(unread.Length, MaxHeaderBytes);
        unread.Slice(0, length).CopyTo(copy);
        return ReadHeader(copy[..length]);
    }

    /// <returns>The header, or the default where it is not complete yet.</returns>
    private static Header ReadHeader(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
        {
            return default;
        }

        var first = bytes[0];
        CheckFirstByte(first);

        var bodyBytes = 0;
        for (var i = 1; i < MaxHeaderBytes; i++)
        {
            if (i >= bytes.Length)
            {
                return default;
            }

            var next = bytes[i];
            bodyBytes |= (next & 0x7F) << (7 * (i - 1));
            if (next < 0x80)
            {
                CheckBodyBytes(first, bodyBytes);
                return new Header(first, i + 1, bodyBytes, IsOverlong: next is 0 && i > 1);
            }
        }

        throw new MalformedPacketException(MqttRule.RemainingLength);
    }

    private static void CheckFirstByte(byte first)
    {
        var type = first >> 4;
        if (type is (int)PacketType.Publish)
        {
            CheckPublishFlags(first);
        }
        else if (type is 0)
        {
            throw new MalformedPacketException(MqttRule.ForbiddenPacketType);
        }
        else if ((first & 0x0F) != FixedFlags[type])
        {
            throw new MalformedPacketException(MqttRule.ReservedFlags);
        }
    }

    private static void CheckPublishFlags(byte first)
    {
        switch (first & 0b1110)
        {
            case 0b0110 or 0b1110:
                throw new MalformedPacketException(MqttRule.Qos3);
            case 0b1000:
                throw new MalformedPacketException(MqttRule.DupOnQos0);
        }
    }

    // The two that are nothing but a fixed header have no Read method to look at their body.
    private static void CheckBodyBytes(byte first, int bodyBytes)
    {
        if (bodyBytes is not 0 && (PacketType)(first >> 4) is PacketType.PingReq or PacketType.PingResp)
        {
            throw new MalformedPacketException(MqttRule.TrailingBytes);
        }
    }

    private readonly record struct Header(byte First, int HeaderBytes, int BodyBytes, bool IsOverlong);
}
