using Nave.Hub.Heads.Amqp;
using Nave.Hub.Tests.Harness;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Amqp;

[Conformance("events-endpoint", 29)]
public sealed class CreditTests
{
    private const string Device = "d";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Never_more_than_the_credit_is_sent(bool isSettled)
    {
        await using var server = await AmqpServer.StartAsync(partitions: 1);
        await server.SendAsync(Device, Numbers(10));
        await using var raw = await ReaderAsync(server, isSettled);

        await raw.SendAsync(RawAmqp.Flow(0, 0, 3));
        await ExpectAsync(raw, 0, 3);
        await ExpectNothingMoreAsync(raw, deliveryCount: 3);

        await raw.SendAsync(RawAmqp.Flow(0, 3, 2));
        await ExpectAsync(raw, 3, 2);
        await ExpectNothingMoreAsync(raw, deliveryCount: 5);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_flow_that_repeats_itself_takes_no_credit_away(bool isSettled)
    {
        await using var server = await AmqpServer.StartAsync(partitions: 1);
        await using var raw = await ReaderAsync(server, isSettled);

        await raw.SendAsync([.. RawAmqp.Flow(0, 0, 2), .. RawAmqp.Flow(0, 0, 2), .. RawAmqp.Flow(0, 0, 2)]);
        await server.SendAsync(Device, Numbers(5));

        await ExpectAsync(raw, 0, 2);
        await ExpectNothingMoreAsync(raw, deliveryCount: 2);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Credit_can_be_taken_back(bool isSettled)
    {
        await using var server = await AmqpServer.StartAsync(partitions: 1);
        await using var raw = await ReaderAsync(server, isSettled);

        await raw.SendAsync([.. RawAmqp.Flow(0, 0, 100), .. RawAmqp.Flow(0, 0, 1)]);
        await raw.AuthenticateAgainAsync(server.Token()); // A round trip: both flows have been seen.
        await server.SendAsync(Device, Numbers(5));

        await ExpectAsync(raw, 0, 1);
        await ExpectNothingMoreAsync(raw, deliveryCount: 1);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_drain_gets_what_there_is_and_then_an_end_of_credit(bool isSettled)
    {
        await using var server = await AmqpServer.StartAsync(partitions: 1);
        await server.SendAsync(Device, Numbers(2));
        await using var raw = await ReaderAsync(server, isSettled);

        await raw.SendAsync(RawAmqp.Flow(0, 0, 50, drain: true));
        await ExpectAsync(raw, 0, 2);
        Assert.Contains(Drained(50), await DrainedAsync(raw));

        // No credit is left from before the drain.
        await server.SendAsync(Device, "later");
        await ExpectNothingMoreAsync(raw, deliveryCount: 50);
        await raw.SendAsync(RawAmqp.Flow(0, 50, 1));
        Assert.Contains("later", (await raw.ReadUntilAsync(Performative.Transfer)).Text);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_drain_of_an_idle_reader_is_answered_at_once(bool isSettled)
    {
        await using var server = await AmqpServer.StartAsync(partitions: 1);
        await using var raw = await ReaderAsync(server, isSettled);
        await raw.SendAsync(RawAmqp.Flow(0, 0, 10));
        await raw.AuthenticateAgainAsync(server.Token());

        await raw.SendAsync(RawAmqp.Flow(0, 0, 10, drain: true)); // the same limit: the library would take it for nothing

        Assert.Contains(Drained(10), await DrainedAsync(raw));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_shut_session_window_holds_one_event_and_opens_again(bool isSettled)
    {
        await using var server = await AmqpServer.StartAsync(partitions: 1);
        await server.SendAsync(Device, Numbers(20));
        await using var raw = await RawAmqp.OpenAsync(server);
        await raw.AuthenticateAsync(server.Token());
        await raw.SendAsync([
            .. RawAmqp.Begin(incomingWindow: 2), .. RawAmqp.Attach("r", 0, source: Address, sndSettleMode: Mode(isSettled)), .. RawAmqp.Flow(0, 0, 1000, incomingWindow: 2)]);

        await ExpectAsync(raw, 0, 2);
        for (uint received = 2; received < 20; received += 3)
        {
            await raw.SendAsync(RawAmqp.Flow(0, received, 1000, nextIncomingId: received, incomingWindow: 3));
            await ExpectAsync(raw, (int)received, 3);
        }
    }

    private const string Address = "nave/ConsumerGroups/$Default/Partitions/0";

    // Settled by the sender, or mixed: the hub sends the one kind many at a time, the other one by one.
    private static byte[] Mode(bool isSettled) => [0x50, isSettled ? (byte)1 : (byte)2];

    private static string[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(i => $"<{i}>")];

    private static async Task<RawAmqp> ReaderAsync(AmqpServer server, bool isSettled)
    {
        var raw = await RawAmqp.OpenAsync(server);
        await raw.AuthenticateAsync(server.Token());
        await raw.SendAsync([.. RawAmqp.Begin(), .. RawAmqp.Attach("r", 0, source: Address, sndSettleMode: Mode(isSettled))]);
        await raw.ReadUntilAsync(Performative.Attach);
        return raw;
    }

    private static async Task ExpectAsync(RawAmqp raw, int first, int count)
    {
        for (var i = first; i < first + count; i++)
        {
            Assert.Contains($"<{i}>", (await raw.ReadUntilAsync(Performative.Transfer)).Text);
        }
    }

    /// <summary>Drains: had the server anything in flight, a transfer would come before the answer.</summary>
    private static async Task ExpectNothingMoreAsync(RawAmqp raw, uint deliveryCount)
    {
        await raw.SendAsync(RawAmqp.Flow(0, deliveryCount, 0, drain: true));
        var frame = await raw.ReadFrameAsync();
        while (frame.Performative is not Performative.Flow)
        {
            Assert.NotEqual(Performative.Transfer, frame.Performative);
            frame = await raw.ReadFrameAsync();
        }

        await raw.ReadUntilAsync(Performative.Flow); // the second one, with the flag
    }

    private static async Task<string> DrainedAsync(RawAmqp raw)
    {
        await raw.ReadUntilAsync(Performative.Flow);
        return (await raw.ReadUntilAsync(Performative.Flow)).Text;
    }

    /// <summary>handle 0, the delivery count, credit 0, nothing available, drain.</summary>
    private static string Drained(byte deliveryCount) => $"\x43\x52{(char)deliveryCount}\x43\x40\x41";
}
