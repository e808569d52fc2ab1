using System.Globalization;
using Nave.Mqtt.Tests.Harness;

namespace Nave.Mqtt.Tests;

/// <summary>Packets of mqtt-packet, mosquitto's clients and mqtt.js, recorded with Data/record.cjs.</summary>
public sealed class OtherImplementationsTests
{
    private const string Refused = "refused";

    public static TheoryData<string, string, string> TheirPackets =>
        [.. from row in Read("mqtt-packet.tsv").Concat(Read("clients.tsv")) select (row[0], row[1], row[2])];

    [Theory]
    [MemberData(nameof(TheirPackets))]
    public void Their_packets_say_to_us_what_they_meant(string level, string hex, string meaning)
    {
        var version = Version(level);

        Assert.Equal(meaning, Description.Of(Bytes.FromHex(hex), version));
    }

    [Theory]
    [MemberData(nameof(TheirPackets))]
    public void Their_packets_written_by_us_say_the_same(string level, string hex, string meaning)
    {
        var version = Version(level);

        var rewritten = AnyPacket.Rewrite(AnyPacket.FrameOf(hex), version);

        Assert.Equal(meaning, Description.Of(rewritten, version));
        Assert.True(rewritten.Length <= Bytes.FromHex(hex).Length, $"Ours is longer: {Bytes.ToHex(rewritten)}");
    }

    [Fact]
    public void Every_golden_packet_was_given_to_mqtt_packet()
    {
        var golden = GoldenTests.Packets.Select(row => $"{(byte)row.Data.Version}\t{Bytes.ToHex(row.Data.ToBytes())}");
        var recorded = Read("golden-read.tsv").Select(row => $"{row[0]}\t{row[1]}").ToHashSet();

        var missing = golden.Where(line => !recorded.Contains(line));

        Assert.True(!missing.Any(), "Record these with Data/record.cjs read:\n" + string.Join('\n', missing));
    }

    [Fact]
    public void Our_packets_say_to_mqtt_packet_what_we_meant()
    {
        var rows = Read("golden-read.tsv").ToList();

        // It does not know that MQTT 5 lets AUTH be empty (3.15.2.1).
        Assert.Equal(["f000"], rows.Where(row => row[2] is Refused).Select(row => row[1]));
        foreach (var row in rows.Where(row => row[2] is not Refused))
        {
            Assert.Equal(Description.Of(Bytes.FromHex(row[1]), Version(row[0])), row[2]);
        }
    }

    [Fact]
    public void Our_packets_written_by_mqtt_packet_say_the_same()
    {
        var rows = Read("golden-read.tsv").ToList();

        // Nor does it write a password without a user name, which MQTT 5 allows (3.1.2.9).
        Assert.Equal(2, rows.Count(row => row[3] is Refused));
        foreach (var row in rows.Where(row => row[3] is not Refused))
        {
            Assert.Equal(row[2], Description.Of(Bytes.FromHex(row[3]), Version(row[0])));
        }
    }

    private static MqttVersion Version(string level) => (MqttVersion)byte.Parse(level, CultureInfo.InvariantCulture);

    private static IEnumerable<string[]> Read(string file) =>
        File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Data", file)).Select(line => line.Split('\t'));
}
