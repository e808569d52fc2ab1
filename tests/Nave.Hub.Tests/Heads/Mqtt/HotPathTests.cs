using System.Buffers;
using Nave.EventLog;
using Nave.Hub.Heads.Mqtt;
using Nave.Hub.Tests.Harness;
using Nave.Mqtt;

namespace Nave.Hub.Tests.Heads.Mqtt;

/// <summary>What a PUBLISH may cost in memory: nothing, once its topic has been seen.</summary>
public sealed class HotPathTests
{
    private const int PerRead = 100;

    // The smallest object has 24 bytes. What remains below are state machines, which a debug build makes objects of: one
    // set per read or commit, not per message.
    private const int BytesThatAreNoObject = 16;

    [Fact]
    public void A_message_on_a_known_topic_allocates_nothing()
    {
        using var rig = new ConnectionRig(client: MqttTestClient.Inline(), keepsRecords: false);
        var packets = Packets();
        for (var i = 0; i < 20; i++)
        {
            Exchange(rig, packets);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 50; i++)
        {
            Exchange(rig, packets);
        }

        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.False(rig.Running.IsCompleted);
        Assert.True(allocated < 50 * PerRead * BytesThatAreNoObject, $"{allocated} bytes for {50 * PerRead} messages.");
    }

    [Fact]
    public void A_message_takes_little_more_in_the_log_than_what_it_carries()
    {
        using var rig = new ConnectionRig(client: MqttTestClient.Inline());
        Exchange(rig, Packets());

        // Payload, two properties, and what is stamped on each: sender, generation, authentication, source.
        Assert.Equal(PerRead, rig.Log.Records.Count);
        Assert.All(rig.Log.Records, record => Assert.InRange(record.Bytes.Length, 256, 256 + 300));
    }

    [Fact]
    public void A_commit_allocates_nothing()
    {
        var client = new MqttTestClient();
        using var rig = new ConnectionRig(client: client);
        var writer = new MqttWriter(client.ServerSide.Output, rig.Channel, maxUnsentBytes: 1 << 20);
        using var metrics = new Nave.Hub.Monitoring.HubMetrics();
        var signals = new MqttSignals(Microsoft.Extensions.Logging.Abstractions.NullLogger<MqttSignals>.Instance, metrics, rig.Time);
        var queue = new AckQueue(writer, rig.Channel, signals, limit: 1000, AckWorkers.Queue);
        long position = 0;
        var allocated = 0L;
        for (var round = 0; round < 60; round++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (ushort i = 1; i <= PerRead; i++)
            {
                queue.Add(i, new LogPosition(++position), receivedAt: 0);
            }

            queue.OnCommitted(new LogPosition(position));
            ((IThreadPoolWorkItem)queue).Execute();
            allocated += round < 20 ? 0 : GC.GetAllocatedBytesForCurrentThread() - before;
            Drain(client);
        }

        Assert.True(allocated < 40 * PerRead * BytesThatAreNoObject, $"{allocated} bytes for {40 * PerRead} acknowledgements.");
    }

    // One read of a hundred messages, one commit of all of them, and what came back is taken off the pipe.
    private static void Exchange(ConnectionRig rig, byte[] packets)
    {
        packets.CopyTo(rig.Client.Outgoing.GetSpan(packets.Length));
        rig.Client.Outgoing.Advance(packets.Length);
        var flush = rig.Client.Outgoing.FlushAsync();
        Assert.True(flush.IsCompletedSuccessfully);
        rig.Log.Commit();
        Drain(rig.Client);
    }

    private static void Drain(MqttTestClient client)
    {
        while (client.Incoming.TryRead(out var read))
        {
            client.Incoming.AdvanceTo(read.Buffer.End);
        }
    }

    private static byte[] Packets()
    {
        var output = new ArrayBufferWriter<byte>();
        for (ushort i = 1; i <= PerRead; i++)
        {
            new PublishPacket
            {
                Topic = "devices/dev/messages/events/%24.ct=application%2Fjson&a=1"u8,
                Payload = new ReadOnlySequence<byte>(new byte[256]),
                Qos = 1,
                PacketId = i,
            }.Write(output, MqttVersion.V311);
        }

        return output.WrittenSpan.ToArray();
    }
}
