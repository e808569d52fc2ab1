using Nave.Hub.Heads.Amqp;
using Nave.Hub.Tests.Harness;

namespace Nave.Hub.Tests.Heads.Amqp;

public sealed class FrameGateTests
{
    private static readonly byte[] Chunk = new byte[60_000];

    [Fact]
    public void Incomplete_deliveries_of_a_known_peer_end_at_eight_megabytes()
    {
        var gate = Opened();
        gate.OnAuthenticated();
        var frames = 0;

        while (gate.Judge(RawAmqp.Transfer((uint)(frames % 7), 0, Chunk, more: true), out _, out _) is GateVerdict.Pass)
        {
            frames++;
            Assert.True(frames < 1000, "no bound");
        }

        Assert.Equal(FrameGate.MaxIncompleteBytes / Chunk.Length, frames);
    }

    [Fact]
    public void A_finished_delivery_counts_no_more()
    {
        var gate = Opened();

        for (var i = 0; i < 100; i++)
        {
            Assert.Equal(GateVerdict.Pass, gate.Judge(RawAmqp.Transfer(0, 0, Chunk, more: true), out _, out _));
            Assert.Equal(GateVerdict.Pass, gate.Judge(RawAmqp.Transfer(0, 0, Chunk), out _, out _));
        }
    }

    [Fact]
    public void A_stranger_may_have_one_frame_of_an_incomplete_delivery()
    {
        var gate = Opened();

        Assert.Equal(GateVerdict.Pass, gate.Judge(RawAmqp.Transfer(0, 0, Chunk, more: true), out _, out _));
        Assert.Equal(GateVerdict.Refuse, gate.Judge(RawAmqp.Transfer(0, 0, Chunk, more: true), out _, out var rule));
        Assert.Equal("too many bytes of incomplete deliveries", rule);
    }

    [Fact]
    public void A_stranger_may_begin_eight_sessions()
    {
        var gate = Opened();

        Assert.All(Enumerable.Range(0, 8), i => Assert.Equal(GateVerdict.Pass, gate.Judge(RawAmqp.Begin((ushort)i), out _, out _)));
        Assert.Equal(GateVerdict.Refuse, gate.Judge(RawAmqp.Begin(8), out _, out _));
    }

    [Fact]
    public void An_aborted_transfer_reaches_the_engine_as_the_last_one()
    {
        var gate = Opened();
        var frame = RawAmqp.Transfer(0, 0, Chunk, more: true, aborted: true);

        Assert.Equal(GateVerdict.Pass, gate.Judge(frame, out var patchAt, out _));

        Assert.True(gate.IsAborted);
        Assert.Equal(0x41, frame[patchAt]);
        frame[patchAt] = 0x42;
        Assert.Equal(GateVerdict.Pass, gate.Judge(frame, out patchAt, out _));
        Assert.Equal(-1, patchAt);
    }

    [Fact]
    public void Frames_of_a_session_that_we_ended_are_dropped_until_its_end()
    {
        var gate = Opened();
        gate.OnLocalEnd(3);

        Assert.Equal(GateVerdict.Drop, gate.Judge(RawAmqp.Transfer(0, 0, Chunk, channel: 3), out _, out _));
        Assert.Equal(GateVerdict.Pass, gate.Judge(RawAmqp.Transfer(0, 0, Chunk, channel: 4), out _, out _));
        Assert.Equal(GateVerdict.Pass, gate.Judge(RawAmqp.End(3), out _, out _));
        Assert.Equal(GateVerdict.Pass, gate.Judge(RawAmqp.Begin(3), out _, out _));
        Assert.Equal(GateVerdict.Pass, gate.Judge(RawAmqp.Transfer(0, 0, Chunk, channel: 3), out _, out _));
    }

    [Theory]
    [InlineData("0000000c02000000005310c0", "a list cut short")]
    [InlineData("0000000c0300000000531045", "an extended header")]
    [InlineData("0000000c0201000000531045", "a SASL frame")]
    [InlineData("0000000c0200000000537045", "a message section for a performative")]
    public void Frames_that_are_none_are_refused(string hex, string what)
    {
        Assert.True(new FrameGate().Judge(Convert.FromHexString(hex), out _, out _) is GateVerdict.Refuse, what);
    }

    private static FrameGate Opened()
    {
        var gate = new FrameGate();
        Assert.Equal(GateVerdict.Pass, gate.Judge(RawAmqp.Open(), out _, out _));
        return gate;
    }
}
