using Amqp.Types;
using Nave.Hub.Heads.Amqp;
using Nave.Hub.Tests.Harness;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Amqp;

public sealed class ManagementTests
{
    private const string EventHub = "com.microsoft:eventhub";
    private const string Partition = "com.microsoft:partition";

    [Theory]
    [Conformance("events-endpoint", 1, 19)]
    [InlineData("nave")]
    [InlineData("messages/events")]
    public async Task The_event_hub_is_described_with_the_types_that_clients_cast_to(string name)
    {
        await using var server = await AmqpServer.StartAsync();
        await using var client = await AmqpClient.ConnectAsync(server, server.Token());

        var answer = await client.ReadAsync(EventHub, name);
        var body = Assert.IsType<Map>(answer.Body);

        Assert.Equal(200, answer.ApplicationProperties["status-code"]);
        Assert.Equal(name, body["name"]);
        Assert.Equal(EventHub, body["type"]);
        Assert.IsType<DateTime>(body["created_at"]);
        Assert.Equal(4, body["partition_count"]);
        Assert.Equal(["0", "1", "2", "3"], Assert.IsType<string[]>(body["partition_ids"]));
        Assert.Equal(1, body["georeplication_factor"]);
    }

    [Fact]
    [Conformance("events-endpoint", 2, 19)]
    public async Task A_partition_is_empty_until_an_event_comes()
    {
        await using var server = await AmqpServer.StartAsync();
        await using var client = await AmqpClient.ConnectAsync(server, server.Token());
        var number = server.PartitionOf("d").ToString();

        var empty = (Map)(await client.ReadAsync(Partition, "nave", number)).Body;
        await server.SendAsync("d", "x");
        var one = (Map)(await client.ReadAsync(Partition, "nave", number)).Body;

        Assert.Equal([0L, -1L, "-1", true], [empty["begin_sequence_number"], empty["last_enqueued_sequence_number"], empty["last_enqueued_offset"], empty["is_partition_empty"]]);
        Assert.Equal(DateTime.MinValue, empty["last_enqueued_time_utc"]);
        Assert.Equal([0L, 0L, "0", false], [one["begin_sequence_number"], one["last_enqueued_sequence_number"], one["last_enqueued_offset"], one["is_partition_empty"]]);
        Assert.InRange((DateTime)one["last_enqueued_time_utc"], DateTime.UnixEpoch.AddYears(50), DateTime.MaxValue);
    }

    [Theory]
    [InlineData(EventHub, "other", null, 404)]
    [InlineData(Partition, "nave", "4", 404)]
    [InlineData(Partition, "nave", null, 404)]
    [InlineData("com.microsoft:something", "nave", null, 400)]
    public async Task What_is_not_there_is_answered_with_a_status(string type, string name, string? partition, int status)
    {
        await using var server = await AmqpServer.StartAsync();
        await using var client = await AmqpClient.ConnectAsync(server, server.Token());

        var answer = await client.ReadAsync(type, name, partition);

        Assert.Equal(status, answer.ApplicationProperties["status-code"]);
        if (status == 404)
        {
            Assert.Contains("The messaging entity", (string)answer.ApplicationProperties["status-description"]);
            Assert.Equal("amqp:not-found", answer.ApplicationProperties["error-condition"].ToString());
        }
    }

    [Fact]
    [Conformance("events-endpoint", 30)]
    public async Task Requests_with_one_empty_tag_each_get_their_answer()
    {
        await using var server = await AmqpServer.StartAsync();
        await using var raw = await RawAmqp.OpenAsync(server);
        Assert.Contains("OK", await raw.AuthenticateAsync(server.Token()));
        byte[] request = [.. RawAmqp.Described(0x73, RawAmqp.Text("request1")), 0x00, 0x53, 0x77, 0x40];

        await raw.SendAsync([
            .. RawAmqp.Begin(1), .. RawAmqp.Attach("svc", 0, target: "$management", channel: 1, sndSettleMode: [0x50, 1]),
            .. RawAmqp.Attach("svc-in", 1, source: "$management", channel: 1, sndSettleMode: [0x50, 1]), .. RawAmqp.Flow(1, 0, 10, channel: 1),
            .. RawAmqp.Transfer(0, 0, request, channel: 1), .. RawAmqp.Transfer(0, 1, request, channel: 1)]);

        var attach = await raw.ReadUntilAsync(Performative.Attach);
        Assert.Contains("\x50\x01", attach.Text); // snd-settle-mode settled
        Assert.Contains("request1", (await raw.ReadUntilAsync(Performative.Transfer)).Text);
        Assert.Contains("request1", (await raw.ReadUntilAsync(Performative.Transfer)).Text);
    }
}
