using System.Buffers;
using System.Text;
using Nave.Hub.Heads.Amqp;
using Nave.Hub.Tests.Harness;
using Nave.TestKit;

namespace Nave.Hub.Tests.Heads.Amqp;

/// <summary>Events that are settled by being sent leave many at a time, past the engine's queue: nobody may notice.</summary>
public sealed class SettledReadingTests
{
    private const string Device = "d";

    [Fact]
    public async Task A_long_event_comes_in_several_frames_between_short_ones()
    {
        await using var server = await AmqpServer.StartAsync(partitions: 1);
        var bodies = new[] { "<a>", new string('b', 3000), "<c>", "<d>", new string('e', 1500), "<f>" };
        await server.SendAsync(Device, bodies);
        await using var raw = await RawAmqp.OpenAsync(server, maxFrame: 1024);
        await raw.AuthenticateAsync(server.Token());
        await raw.SendAsync([.. RawAmqp.Begin(), .. Attach(0), .. RawAmqp.Flow(0, 0, 100)]);

        uint? last = null;
        foreach (var body in bodies)
        {
            var message = new StringBuilder();
            var isMore = true;
            for (var part = 0; isMore; part++)
            {
                var bytes = await ReadTransferAsync(raw);
                Assert.InRange(bytes.Length, 1, 1024);
                var frame = Read(bytes);
                isMore = AmqpFrame.ReadBoolean(frame.Field(5, out _));
                if (part == 0)
                {
                    var id = AmqpFrame.ReadUInt(frame.Field(1, out _));
                    Assert.Equal(last is { } before ? before + 1 : id, id);
                    last = id;
                }

                message.Append(Encoding.Latin1.GetString(bytes.AsSpan(^frame.PayloadBytes..)));
            }

            Assert.EndsWith(body, message.ToString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Deliveries_of_two_links_are_numbered_without_gaps_in_the_order_of_their_frames()
    {
        const int Events = 800;
        await using var server = await AmqpServer.StartAsync(partitions: 2);
        await server.SendAsync(Device, [.. Enumerable.Range(0, Events).Select(i => $"<{i}>")]);
        await using var raw = await RawAmqp.OpenAsync(server);
        await raw.AuthenticateAsync(server.Token());

        // Both from the same partition, so that both have as much to send at the same time.
        var partition = server.PartitionOf(Device);
        await raw.SendAsync([.. RawAmqp.Begin(), .. Attach(0, partition), .. Attach(1, partition), .. RawAmqp.Flow(0, 0, Events), .. RawAmqp.Flow(1, 0, Events)]);

        var next = new int[2];
        uint? last = null;
        for (var i = 0; i < 2 * Events; i++)
        {
            var bytes = await ReadTransferAsync(raw);
            var frame = Read(bytes);
            var id = AmqpFrame.ReadUInt(frame.Field(1, out _));
            Assert.Equal(last is { } before ? before + 1 : id, id);
            last = id;
            Assert.True(AmqpFrame.ReadBoolean(frame.Field(4, out _)));
            var handle = AmqpFrame.ReadUInt(frame.Field(0, out _));
            Assert.EndsWith($"<{next[handle]++}>", Encoding.Latin1.GetString(bytes), StringComparison.Ordinal);
        }

        Assert.Equal([Events, Events], next);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task What_lies_before_a_record_that_cannot_be_read_is_sent(byte settleMode)
    {
        const int ReadFailed = 2220;
        await using var server = await AmqpServer.StartAsync(partitions: 1, logger: new StrictLogger(ReadFailed));
        await server.SendAsync(Device, [.. Enumerable.Range(0, 20).Select(i => $"<{i}>")]);
        await server.AppendAsync(partition: 0, [9, 9, 9, 9]); // No version of ours.
        await using var raw = await RawAmqp.OpenAsync(server);
        await raw.AuthenticateAsync(server.Token());
        await raw.SendAsync([.. RawAmqp.Begin(), .. Attach(0, settleMode: settleMode), .. RawAmqp.Flow(0, 0, 100)]);

        for (var i = 0; i < 20; i++)
        {
            var frame = await raw.ReadFrameAsync();
            while (frame.Performative is not (Performative.Transfer or Performative.Detach))
            {
                frame = await raw.ReadFrameAsync();
            }

            Assert.Equal(Performative.Transfer, frame.Performative);
            Assert.EndsWith($"<{i}>", frame.Text, StringComparison.Ordinal);
        }

        await raw.ReadUntilAsync(Performative.Detach);
        Assert.Contains(server.Logger.Entries, entry => entry.Id == ReadFailed);
    }

    [Fact]
    public void A_batch_holds_whole_frames_and_none_that_is_too_long()
    {
        var taken = 0;
        var batch = new TransferBatch(channel: 3, handle: 7, maxFrameBytes: 512, onTaken: bytes => taken += bytes);
        Add(batch, 10, expected: true);
        Add(batch, 600, expected: false);
        Add(batch, 20, expected: true);
        Add(batch, 30, expected: true);
        Assert.Equal(3, batch.Count);

        var frames = batch.Take(2, firstDeliveryId: uint.MaxValue);

        Assert.Equal(0, batch.Count);
        Assert.Equal(frames.Length, taken);
        var bytes = frames.Buffer.AsSpan(frames.Offset, frames.Length).ToArray();
        var first = Read(bytes[..^(32 + 20)]);
        var second = Read(bytes[(32 + 10)..]);
        Assert.Equal((3, 7u, uint.MaxValue, 10), (first.Channel, AmqpFrame.ReadUInt(first.Field(0, out _)), AmqpFrame.ReadUInt(first.Field(1, out _)), first.PayloadBytes));
        Assert.Equal((3, 7u, 0u, 20), (second.Channel, AmqpFrame.ReadUInt(second.Field(0, out _)), AmqpFrame.ReadUInt(second.Field(1, out _)), second.PayloadBytes));
        frames.Return();

        static void Add(TransferBatch batch, int payload, bool expected)
        {
            batch.BeginFrame();
            batch.Write(new byte[payload]);
            Assert.Equal(expected, batch.TryEndFrame());
        }
    }

    // Settled unless said otherwise.
    private static byte[] Attach(uint handle, int partition = 0, byte settleMode = 1) => RawAmqp.Attach(
        $"r{handle}", handle, source: $"nave/ConsumerGroups/$Default/Partitions/{partition}", sndSettleMode: [0x50, settleMode]);

    private static async Task<byte[]> ReadTransferAsync(RawAmqp raw)
    {
        var frame = await raw.ReadUntilAsync(Performative.Transfer);
        return RawAmqp.Frame(frame.Channel, frame.Body);
    }

    private static AmqpFrame Read(byte[] bytes)
    {
        Assert.True(AmqpFrame.TryRead(bytes, 0, out var frame));
        return frame;
    }
}
