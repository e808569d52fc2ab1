using Nave.Mqtt.Tests.Harness;

namespace Nave.Mqtt.Tests;

/// <summary>
/// Any bytes are a packet, not yet one, or malformed; nothing else ever happens. A failure names its seed: put it into
/// NAVE_TEST_SEED to see it again.
/// </summary>
public sealed class AnyBytesTests
{
    private const int MaxPacketBytes = 4096;

    private static int Seed { get; } =
        int.TryParse(Environment.GetEnvironmentVariable("NAVE_TEST_SEED"), out var seed) ? seed : Environment.TickCount;

    [Theory]
    [InlineData(MqttVersion.V311)]
    [InlineData(MqttVersion.V5)]
    public void Random_bytes_do_no_harm(MqttVersion version)
    {
        var random = new Random(Seed);
        for (var round = 0; round < 20_000; round++)
        {
            var bytes = new byte[random.Next(1, 64)];
            random.NextBytes(bytes);
            if (bytes.Length > 1 && round % 2 is 0)
            {
                bytes[1] = (byte)(bytes.Length - 2); // A whole packet, so that its body is looked at.
            }

            ReadAll(bytes, version);
        }
    }

    [Theory]
    [InlineData(MqttVersion.V311)]
    [InlineData(MqttVersion.V5)]
    public void Damaged_packets_do_no_harm(MqttVersion version)
    {
        var random = new Random(Seed);
        var packets = GoldenTests.Packets.Select(row => row.Data).ToArray();
        for (var round = 0; round < 20_000; round++)
        {
            var bytes = packets[random.Next(packets.Length)].ToBytes();
            for (var damage = random.Next(1, 4); damage > 0; damage--)
            {
                bytes = Damage(bytes, random);
            }

            ReadAll(bytes, version);
        }
    }

    private static byte[] Damage(byte[] bytes, Random random)
    {
        var at = random.Next(bytes.Length);
        switch (random.Next(4))
        {
            case 0:
                bytes[at] ^= (byte)(1 << random.Next(8));
                return bytes;
            case 1:
                bytes[at] = (byte)random.Next(256);
                return bytes;
            case 2 when bytes.Length > 2:
                return FixLength([.. bytes[..at], .. bytes[(at + 1)..]]);
            default:
                return FixLength([.. bytes[..at], (byte)random.Next(256), .. bytes[at..]]);
        }
    }

    private static byte[] FixLength(byte[] bytes)
    {
        if (bytes.Length is > 2 and < 130)
        {
            bytes[1] = (byte)(bytes.Length - 2);
        }

        return bytes;
    }

    // In one piece, which must come to the same end as in single bytes.
    private static void ReadAll(byte[] bytes, MqttVersion version)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var outcome = Outcome(bytes, inSingleBytes: false, version);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        // The largest growth is that of the smallest fields into objects; an exception has its own cost.
        Assert.True(
            allocated <= 16_384 + (32 * bytes.Length),
            $"Seed {Seed}: {allocated} bytes allocated for {Bytes.ToHex(bytes)}");
        var again = Outcome(bytes, inSingleBytes: true, version);
        Assert.True(outcome == again, $"Seed {Seed}: {outcome}, in single bytes {again}: {Bytes.ToHex(bytes)}");
    }

    private static string Outcome(byte[] bytes, bool inSingleBytes, MqttVersion version)
    {
        var unread = inSingleBytes ? Bytes.SingleBytes(bytes) : Bytes.OnePiece(bytes);
        var packets = 0;
        try
        {
            while (FrameReader.TryReadFrame(ref unread, MaxPacketBytes, out var frame))
            {
                AnyPacket.Read(frame, version);
                packets++;
            }

            return $"{packets} packets, {unread.Length} bytes left";
        }
        catch (MalformedPacketException e)
        {
            return $"{packets} packets, then {e.Rule}";
        }
        catch (Exception e)
        {
            Assert.Fail($"Seed {Seed}: {e} for {Bytes.ToHex(bytes)}");
            throw;
        }
    }
}
