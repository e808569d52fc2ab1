using System.Buffers;
using System.Text;
using Nave.Hub.Devices;
using Nave.Hub.Tests.Harness;
using Nave.Mqtt;
using Subscription = Nave.Mqtt.Subscription;

namespace Nave.Hub.Tests.Heads.Mqtt;

/// <summary>Whatever a device sends ends its connection at most: no exception, no other reason than the two it can cause.</summary>
public sealed class MqttFuzzTests
{
    private const int Seed = 20261125;

    private static readonly CloseReason[] Causes =
        [CloseReason.ProtocolViolation, CloseReason.Refused, CloseReason.Disconnected, CloseReason.PeerClosed];

    [Fact]
    public async Task Packets_with_flipped_cut_and_doubled_bytes_end_the_connection_at_most()
    {
        var random = new Random(Seed);
        for (var i = 0; i < 400; i++)
        {
            var bytes = Mutate(random, Packets(random));
            using var rig = new ConnectionRig(client: MqttTestClient.Inline(1 << 20));
            rig.Log.HasRoom();

            await rig.Client.SendAsync(bytes);
            rig.Log.Commit();
            rig.Client.Drop();
            var reason = await rig.WaitForEndAsync();

            Assert.True(Causes.Contains(reason), $"Seed {Seed}, round {i}: {reason} after {Convert.ToHexString(bytes)}");
        }
    }

    private static byte[] Packets(Random random)
    {
        string[] topics =
        [
            "devices/dev/messages/events/", "devices/dev/messages/events/%24.mid=1&a=%C3%A9", "$iothub/twin/GET/?$rid=1",
            "$iothub/twin/PATCH/properties/reported/?$rid=2&$version=1", "$iothub/methods/res/200/?$rid=3",
        ];
        var output = new ArrayBufferWriter<byte>();
        for (var i = 0; i < 6; i++)
        {
            switch (random.Next(4))
            {
                case 0:
                    new SubscribePacket { PacketId = 1, Subscriptions = [new Subscription("$iothub/twin/res/#", 1)] }.Write(output, MqttVersion.V311);
                    break;
                case 1:
                    PingPacket.WriteRequest(output);
                    break;
                default:
                    new PublishPacket
                    {
                        Topic = Encoding.UTF8.GetBytes(topics[random.Next(topics.Length)]),
                        Payload = new ReadOnlySequence<byte>(new byte[random.Next(200)]),
                        Qos = 1,
                        PacketId = (ushort)random.Next(1, 65536),
                    }.Write(output, MqttVersion.V311);
                    break;
            }
        }

        return output.WrittenSpan.ToArray();
    }

    private static byte[] Mutate(Random random, byte[] bytes)
    {
        for (var i = random.Next(1, 6); i > 0; i--)
        {
            bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
        }

        var from = random.Next(bytes.Length);
        return random.Next(3) switch
        {
            0 => bytes[..from],
            1 => [.. bytes, .. bytes[from..]],
            _ => bytes,
        };
    }
}
