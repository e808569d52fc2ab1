using Amqp.Framing;
using Amqp.Types;
using Nave.Hub.Tests.Harness;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Amqp;

public sealed class EventsEndpointTests
{
    private const string Device = "dev-1";
    private const string Metrics = "com.microsoft:enable-receiver-runtime-metric";

    [Fact]
    [Conformance("events-endpoint", 3, 8, 28)]
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
        Assert.Equal("3", last.MessageAnnotations[new Symbol("x-opt-offset")]);
        Assert.IsType<DateTime>(last.MessageAnnotations[new Symbol("x-opt-enqueued-time")]);
        Assert.IsType<DateTime>(last.MessageAnnotations[new Symbol("iothub-enqueuedtime")]);
        Assert.Equal(Device, last.MessageAnnotations[new Symbol("iothub-connection-device-id")]);
        Assert.Equal("ü", last.ApplicationProperties["level"]);
        Assert.Null(last.DeliveryAnnotations);
    }

    [Theory]
    [InlineData("nave/ConsumerGroups/$Default/Partitions/{0}")]
    [InlineData("/nave/ConsumerGroups/$Default/Partitions/{0}")]
    [InlineData("NAVE/consumergroups/$default/partitions/{0}")]
    [InlineData("amqps://127.0.0.1:5671/nave/ConsumerGroups/%24Default/Partitions/{0}")]
    [InlineData("amqps://127.0.0.1/nave/ConsumerGroups/$Default/Partitions/{0}")]
    [Conformance("events-endpoint", 9)]
    public async Task A_partition_has_many_spellings(string address)
    {
        await using var server = await AmqpServer.StartAsync();
        await server.SendAsync(Device, "x");
        await using var client = await AmqpClient.ConnectAsync(server, server.Token());

        var receiver = await client.ReceiveAsync(string.Format(address, server.PartitionOf(Device)));
        receiver.Grant(1);

        Assert.Equal(["x"], await receiver.BodiesAsync(1));
    }

    [Theory]
    [InlineData("nave/ConsumerGroups/nobody/Partitions/0")]
    [InlineData("nave/ConsumerGroups/$Default/Partitions/4")]
    [InlineData("nave/ConsumerGroups/$Default/Partitions/-1")]
    [InlineData("nave/ConsumerGroups/$Default/Partitions/first")]
    [InlineData("somewhere/ConsumerGroups/$Default/Partitions/0")]
    [InlineData("elsewhere")]
    [Conformance("events-endpoint", 9)]
    public async Task An_entity_that_is_not_there_is_not_found(string address)
    {
        await using var server = await AmqpServer.StartAsync();
        await using var client = await AmqpClient.ConnectAsync(server, server.Token());

        var error = await client.RefusedAsync(address);

        Assert.Equal("amqp:not-found", error.Condition);
        Assert.Contains($"The messaging entity '{address}' could not be found", error.Description);
    }

    [Fact]
    [Conformance("events-endpoint", 10)]
    public async Task Five_readers_each_get_everything_and_a_sixth_is_refused()
    {
        await using var server = await AmqpServer.StartAsync();
        await server.SendAsync(Device, "a", "b");
        await using var client = await AmqpClient.ConnectAsync(server, server.Token());
        var readers = new List<EventReceiver>();
        for (var i = 0; i < 5; i++)
        {
            readers.Add(await client.ReceiveAsync(Partition(server)));
        }

        var error = await client.RefusedAsync(Partition(server, "$default"));

        Assert.Equal("amqp:resource-limit-exceeded", error.Condition);
        Assert.Contains("which is 5", error.Description);
        foreach (var reader in readers)
        {
            reader.Grant(2);
            Assert.Equal(["a", "b"], await reader.BodiesAsync(2));
        }

        await readers[0].Link.CloseAsync(AmqpClient.Patience, null);
        var replacement = await client.ReceiveAsync(Partition(server));
        replacement.Grant(1);
        Assert.Equal(["a"], await replacement.BodiesAsync(1));
    }

    [Fact]
    [Conformance("events-endpoint", 11, 12)]
    public async Task A_higher_owner_level_displaces_and_a_lower_one_is_refused()
    {
        await using var server = await AmqpServer.StartAsync();
        await using var client = await AmqpClient.ConnectAsync(server, server.Token());
        await using var other = await AmqpClient.ConnectAsync(server, server.Token());

        var low = await client.ReceiveAsync(Partition(server), change: Epoch(1));
        var high = await other.ReceiveAsync(Partition(server), change: Epoch(5L));
        var lost = await low.ClosedAsync();
        var tooLow = await client.RefusedAsync(Partition(server), change: Epoch((short)1));
        var none = await client.RefusedAsync(Partition(server));

        Assert.All([lost, tooLow, none], error => Assert.Equal("amqp:link:stolen", error.Condition));
        Assert.Contains("New receiver", lost.Description);
        Assert.Contains("higher epoch '5' already exists", tooLow.Description);
        Assert.Contains("non-epoch receiver is not allowed", none.Description);
        Assert.False(high.Link.IsClosed);
    }

    [Fact]
    [Conformance("events-endpoint", 21)]
    public async Task A_policy_without_service_rights_is_refused()
    {
        await using var server = await AmqpServer.StartAsync();
        await using var client = await AmqpClient.ConnectAsync(server, server.Token("device"));

        Assert.Equal("amqp:unauthorized-access", (await client.RefusedAsync(Partition(server))).Condition);
        Assert.Equal("amqp:unauthorized-access", (await client.RefusedSenderAsync("$management")).Condition);
        Assert.Equal("amqp:unauthorized-access", (await client.RefusedAsync("messages/events")).Condition);
    }

    [Theory]
    [InlineData("127.0.0.1/nave", true)]
    [InlineData("127.0.0.1/nave/ConsumerGroups/$Default", true)]
    [InlineData("127.0.0.1/messages/events", true)]
    [InlineData("sb://127.0.0.1:5671/nave/", true)]
    [InlineData("127.0.0.1/nave/ConsumerGroups/second", false)]
    [InlineData("127.0.0.1/nav", false)]
    [InlineData("127.0.0.1/devices", false)]
    public async Task A_token_opens_what_it_is_scoped_to(string resource, bool isOpen)
    {
        await using var server = await AmqpServer.StartAsync();
        await server.SendAsync(Device, "x");
        await using var client = await AmqpClient.ConnectAsync(server, server.Token(resource: resource));

        if (!isOpen)
        {
            Assert.Equal("amqp:unauthorized-access", (await client.RefusedAsync(Partition(server))).Condition);
            return;
        }

        var receiver = await client.ReceiveAsync(Partition(server));
        receiver.Grant(1);
        Assert.Equal(["x"], await receiver.BodiesAsync(1));
    }

    [Fact]
    [Conformance("events-endpoint", 27)]
    public async Task A_position_beyond_the_end_and_a_malformed_filter_are_argument_errors()
    {
        await using var server = await AmqpServer.StartAsync();
        await server.SendAsync(Device, "x");
        await using var client = await AmqpClient.ConnectAsync(server, server.Token());

        var beyond = await client.RefusedAsync(Partition(server), "amqp.annotation.x-opt-offset > '7'");
        var malformed = await client.RefusedAsync(Partition(server), "x-opt-offset bigger than 7");

        Assert.Equal("com.microsoft:argument-error", beyond.Condition);
        Assert.Equal("The supplied offset '7' is invalid. The last offset in the system is '0'.", beyond.Description);
        Assert.Equal("com.microsoft:argument-error", malformed.Condition);
    }

    [Fact]
    [Conformance("events-endpoint", 4)]
    public async Task The_latest_position_skips_what_is_there_and_nothing_that_comes()
    {
        await using var server = await AmqpServer.StartAsync();
        await server.SendAsync(Device, "old");
        await using var client = await AmqpClient.ConnectAsync(server, server.Token());

        var receiver = await client.ReceiveAsync(Partition(server), "amqp.annotation.x-opt-offset > '@latest'");
        await server.SendAsync(Device, "new");
        receiver.Grant(5);

        Assert.Equal(["new"], await receiver.BodiesAsync(1));
    }

    [Fact]
    [Conformance("events-endpoint", 20, 31)]
    public async Task Tracking_adds_delivery_annotations_to_each_event()
    {
        await using var server = await AmqpServer.StartAsync();
        await server.SendAsync(Device, "a", "b");
        await using var client = await AmqpClient.ConnectAsync(server, server.Token());

        var asArray = await client.ReceiveAsync(Partition(server), change: attach => attach.DesiredCapabilities = [new Symbol("x"), new Symbol(Metrics)]);
        asArray.Grant(1);
        var annotations = (await asArray.NextAsync()).DeliveryAnnotations;

        Assert.Equal(1L, annotations[new Symbol("last_enqueued_sequence_number")]);
        Assert.Equal("1", annotations[new Symbol("last_enqueued_offset")]);
        Assert.IsType<DateTime>(annotations[new Symbol("last_enqueued_time_utc")]);
        Assert.IsType<DateTime>(annotations[new Symbol("runtime_info_retrieval_time_utc")]);
    }

    [Fact]
    [Conformance("events-endpoint", 30)]
    public async Task Settled_mode_is_echoed_and_events_arrive_settled()
    {
        await using var server = await AmqpServer.StartAsync();
        await server.SendAsync(Device, "a", "b", "c");
        await using var client = await AmqpClient.ConnectAsync(server, server.Token());

        var receiver = await client.ReceiveAsync(Partition(server), change: attach => attach.SndSettleMode = SenderSettleMode.Settled);
        receiver.Grant(3);

        Assert.Equal(SenderSettleMode.Settled, (await receiver.AttachedAsync()).SndSettleMode);
        Assert.Equal(["a", "b", "c"], await receiver.BodiesAsync(3));
    }

    [Fact]
    public async Task The_answer_to_an_attach_offers_nothing_and_repeats_only_the_filter_that_is_honoured()
    {
        await using var server = await AmqpServer.StartAsync();
        await using var client = await AmqpClient.ConnectAsync(server, server.Token());

        var receiver = await client.ReceiveAsync(Partition(server), "amqp.annotation.x-opt-offset > '-1'", attach =>
        {
            attach.DesiredCapabilities = [new Symbol("com.microsoft:georeplication")];
            ((Source)attach.Source).FilterSet[new Symbol("other")] = new DescribedValue(new Symbol("other"), "x");
        });
        var answer = await receiver.AttachedAsync();

        Assert.Null(answer.OfferedCapabilities);
        Assert.Equal("apache.org:selector-filter:string", Assert.Single(((Source)answer.Source).FilterSet.Keys).ToString());
    }

    [Theory]
    [InlineData("devices/d/messages/events")]
    [InlineData("/messages/devicebound")]
    [InlineData("messages/serviceBound/feedback")]
    [InlineData("messages/servicebound/filenotifications")]
    public async Task What_is_not_built_yet_says_so(string address)
    {
        await using var server = await AmqpServer.StartAsync();
        await using var client = await AmqpClient.ConnectAsync(server, server.Token());

        var error = await client.RefusedSenderAsync(address);

        Assert.Equal("amqp:not-implemented", error.Condition);
        Assert.Contains("over AMQP", error.Description);
    }

    private static string Partition(AmqpServer server, string group = "$Default") =>
        $"nave/ConsumerGroups/{group}/Partitions/{server.PartitionOf(Device)}";

    private static Action<Attach> Epoch(object level) =>
        attach => attach.Properties = new Fields { [new Symbol("com.microsoft:epoch")] = level };
}
