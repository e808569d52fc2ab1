using Amqp.Types;
using Nave.Hub.Tests.Harness;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Amqp;

public sealed class EventsEndpointTests
{
    private const string Device = "dev-1";

    [Fact]
    [Conformance("events-endpoint", 3)]
    public async Task A_reader_gets_every_event_of_a_partition_in_order()
    {
        await using var server = await AmqpServer.StartAsync();
        await server.SendAsync(Device, "0", "1", "2");
        await using var client = await AmqpClient.ConnectAsync(server, server.Token());

        var receiver = await client.ReceiveAsync(Partition(server));
        receiver.Grant(10);
        Assert.Equal(["0", "1", "2"], await receiver.BodiesAsync(3));

        await server.SendAsync(Device, "3");
        var last = await receiver.NextAsync();
        Assert.Equal("3"u8.ToArray(), (byte[])last.Body);
        Assert.Equal(3L, last.MessageAnnotations[new Symbol("x-opt-sequence-number")]);
        Assert.Equal(Device, last.MessageAnnotations[new Symbol("iothub-connection-device-id")]);
        Assert.Equal("ü", last.ApplicationProperties["level"]);
    }

    private static string Partition(AmqpServer server, string group = "$Default") =>
        $"nave/ConsumerGroups/{group}/Partitions/{server.PartitionOf(Device)}";
}
