using System.Net.WebSockets;
using Amqp.Types;
using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Heads.Amqp;
using Nave.Hub.Tests.Harness;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Amqp;

public sealed class ConnectionTests
{
    [Fact]
    [Conformance("device-amqp", 25)]
    [Conformance("events-endpoint", 25)]
    public async Task An_idle_connection_gets_an_empty_frame_within_half_of_its_time()
    {
        var time = new FakeTimeProvider();
        await using var server = await AmqpServer.StartAsync(time);
        await using var raw = await RawAmqp.OpenAsync(server, idleMilliseconds: 60_000);
        await raw.AuthenticateAsync(server.Token());

        for (var minute = 0; minute < 5; minute++)
        {
            for (var half = 0; half < 2; half++)
            {
                Advance(time, TimeSpan.FromSeconds(30));
                Assert.Equal(Performative.None, (await raw.ReadFrameAsync()).Performative);
            }

            await raw.SendAsync(RawAmqp.Frame(0, []));
        }

        Assert.Contains("1", await raw.AuthenticateAgainAsync(server.Token()));
    }

    [Fact]
    [Conformance("device-amqp", 25, 26)]
    public async Task A_silent_peer_is_told_and_cut_off()
    {
        var time = new FakeTimeProvider();
        await using var server = await AmqpServer.StartAsync(time);
        await using var raw = await RawAmqp.OpenAsync(server);
        await raw.AuthenticateAsync(server.Token());

        Advance(time, TimeSpan.FromSeconds(310));

        Assert.Contains("amqp:internal-error", (await raw.ReadUntilAsync(Performative.End)).Text);
        Assert.Contains("idle", (await raw.ReadUntilAsync(Performative.Close)).Text);
        Advance(time, TimeSpan.FromSeconds(6));
        Assert.Equal("", await raw.ReadToEndAsync());
    }

    [Fact]
    [Conformance("device-amqp", 26)]
    public async Task A_stopping_hub_ends_sessions_before_it_closes()
    {
        await using var server = await AmqpServer.StartAsync();
        await using var raw = await RawAmqp.OpenAsync(server);
        await raw.AuthenticateAsync(server.Token());
        await raw.SendAsync(RawAmqp.Begin(5));
        await raw.ReadUntilAsync(Performative.Begin);

        server.Head.Stop();

        Assert.Contains("amqp:internal-error", (await raw.ReadUntilAsync(Performative.End)).Text);
        Assert.Contains("amqp:internal-error", (await raw.ReadUntilAsync(Performative.End)).Text);
        Assert.Contains("amqp:connection:forced", (await raw.ReadUntilAsync(Performative.Close)).Text);
        await raw.SendAsync([.. RawAmqp.End(5), .. RawAmqp.End(100), .. RawAmqp.Close()]);
        Assert.Equal("", await raw.ReadToEndAsync());
    }

    [Fact]
    public async Task A_close_is_answered_before_the_end_of_the_stream()
    {
        await using var server = await AmqpServer.StartAsync();
        await using var raw = await RawAmqp.OpenAsync(server);
        await raw.SendAsync(RawAmqp.Close());

        Assert.DoesNotContain("error", (await raw.ReadUntilAsync(Performative.Close)).Text);
        Assert.Equal("", await raw.ReadToEndAsync());
    }

    [Theory]
    [InlineData("wrong.example", null, null)]
    [InlineData("hub.nave.test", null, 1u)]
    [InlineData("hub.nave.test", 1000u, null)]
    public async Task An_open_that_cannot_be_honoured_is_closed(string host, uint? idle, uint? maxFrame)
    {
        await using var server = await AmqpServer.StartAsync(options: new AmqpOptions { HostNames = ["hub.nave.test"] });
        await using var raw = await RawAmqp.OpenAsync(server, idle, maxFrame, host);

        Assert.Contains(host == "wrong.example" ? "amqp:not-found" : "amqp:invalid-field", (await raw.ReadUntilAsync(Performative.Close)).Text);
    }

    [Fact]
    [Conformance("events-endpoint", 18, 32)]
    [Conformance("device-amqp", 6)]
    public async Task The_hub_s_own_address_redirects_and_what_it_names_does_not()
    {
        await using var server = await AmqpServer.StartAsync(options: new AmqpOptions { HostNames = ["127.0.0.1"] });
        await using var client = await AmqpClient.ConnectAsync(server, server.Token());

        var sender = await client.RefusedSenderAsync("/messages/events/$management");
        var receiver = await client.RefusedAsync("messages/events/");
        var partition = await client.RefusedAsync("Messages/Events/ConsumerGroups/$Default/Partitions/0");

        Assert.All([sender, receiver, partition], error => Assert.Equal("amqp:link:redirect", error.Condition));
        Assert.Equal("amqps://127.0.0.1:5671/nave/$management", sender.Info[new Symbol("address")]);
        Assert.Equal("amqps://127.0.0.1:5671/nave/", receiver.Info[new Symbol("address")]);
        Assert.Equal("amqps://127.0.0.1:5671/nave/ConsumerGroups/$Default/Partitions/0", partition.Info[new Symbol("address")]);
        Assert.Equal("127.0.0.1", sender.Info[new Symbol("hostname")]);
        Assert.Equal("127.0.0.1", sender.Info[new Symbol("network-host")]);
        Assert.Equal(5671, sender.Info[new Symbol("port")]);

        var followed = await client.ReceiveAsync((string)partition.Info[new Symbol("address")]);
        Assert.False(followed.Link.IsClosed);
    }

    [Theory]
    [Conformance("events-endpoint", 23)]
    [Conformance("service-amqp", 3)]
    [InlineData("/$servicebus/websocket")]
    [InlineData("/$servicebus/websocket/")]
    [InlineData("/$iothub/websocket?iothub-no-client-cert=true")]
    public async Task Events_come_through_a_websocket(string path)
    {
        await using var server = await AmqpServer.StartAsync();
        using var socket = new ClientWebSocket();
        socket.Options.AddSubProtocol("AMQPWSB10");
        using var late = new CancellationTokenSource(AmqpClient.Patience);
        await socket.ConnectAsync(new Uri($"ws://127.0.0.1:{server.HttpPort}{path}"), late.Token);
        Assert.Equal("AMQPWSB10", socket.SubProtocol);

        // Header and OPEN straddle messages.
        byte[] greeting = [.. RawAmqp.AmqpHeader, .. RawAmqp.Open()];
        await socket.SendAsync(greeting.AsMemory(0, 11), WebSocketMessageType.Binary, true, late.Token);
        await socket.SendAsync(greeting.AsMemory(11), WebSocketMessageType.Binary, true, late.Token);
        await socket.SendAsync(RawAmqp.Close(), WebSocketMessageType.Binary, true, late.Token);

        var received = new List<byte>();
        var buffer = new byte[1024];
        while (await socket.ReceiveAsync(buffer.AsMemory(), late.Token) is { MessageType: WebSocketMessageType.Binary } part)
        {
            received.AddRange(buffer.AsSpan(0, part.Count));
        }

        Assert.Equal(RawAmqp.AmqpHeader, received.Take(8));
        Assert.Contains("\0\x53\x18", System.Text.Encoding.Latin1.GetString([.. received])); // the answer to our CLOSE
    }

    [Fact]
    public async Task A_websocket_for_another_protocol_is_refused()
    {
        await using var server = await AmqpServer.StartAsync();
        using var socket = new ClientWebSocket();
        socket.Options.AddSubProtocol("chat");

        await Assert.ThrowsAsync<WebSocketException>(() => socket.ConnectAsync(new Uri($"ws://127.0.0.1:{server.HttpPort}/$iothub/websocket"), CancellationToken.None));
    }

    [Theory]
    [InlineData("474554202f20485454502f312e310d0a0d0a", "HTTP")]
    [InlineData("414d515000010000ffffffff", "a frame size of four thousand million")]
    [InlineData("414d51500001000000000007020000", "a frame size below the header")]
    [InlineData("414d5150000100000000000c020000000053", "half a performative")]
    [InlineData("414d515000010000000000100200000000531100000000ff", "a BEGIN before OPEN")]
    [InlineData("414d515000020000", "another version")]
    [InlineData("414d515002010000", "TLS in band")]
    [InlineData("414d515003010000ffffffff", "a SASL frame without end")]
    [InlineData("414d51500301000000000010020100000053120000000000", "a SASL frame that is an ATTACH")]
    public async Task Malformed_input_costs_its_own_connection_and_nothing_else(string hex, string what)
    {
        await using var server = await AmqpServer.StartAsync();
        await server.SendAsync("d", "x");
        await using var client = await AmqpClient.ConnectAsync(server, server.Token());
        await using (var raw = await RawAmqp.ConnectAsync(server, Convert.FromHexString(hex)))
        {
            raw.Finish();
            await raw.ReadToEndAsync();
        }

        var receiver = await client.ReceiveAsync($"nave/ConsumerGroups/$Default/Partitions/{server.PartitionOf("d")}");
        receiver.Grant(1);
        Assert.True((await receiver.BodiesAsync(1))[0] == "x", what);
        Assert.DoesNotContain(server.Logger.Entries, entry => entry.Level > Microsoft.Extensions.Logging.LogLevel.Debug);
    }

    [Fact]
    public async Task Random_frames_of_a_stranger_end_its_connection_and_nothing_else()
    {
        const int Seed = 7;
        var random = new Random(Seed);
        await using var server = await AmqpServer.StartAsync();
        for (var round = 0; round < 40; round++)
        {
            await using var raw = await RawAmqp.OpenAsync(server);
            byte[] good = [.. RawAmqp.Begin(), .. RawAmqp.Attach("a", 0, target: "$cbs"), .. RawAmqp.Flow(0, 0, 1), .. RawAmqp.Transfer(0, 0, RawAmqp.PutToken("x"))];
            for (var i = 0; i < 6; i++)
            {
                good[random.Next(good.Length)] = (byte)random.Next(256);
            }

            await raw.SendAsync([.. good, .. RawAmqp.Close()]);
            raw.Finish();
            await raw.ReadToEndAsync();
        }

        await using var client = await AmqpClient.ConnectAsync(server, server.Token());
        Assert.DoesNotContain(server.Logger.Entries, entry => entry.Level > Microsoft.Extensions.Logging.LogLevel.Debug);
    }

    [Fact]
    public async Task A_reader_that_takes_nothing_stops_being_fed()
    {
        await using var server = await AmqpServer.StartAsync(partitions: 1);
        var body = new string('x', 200_000);
        await server.SendAsync("d", [.. Enumerable.Repeat(body, 12)]);
        await using var raw = await RawAmqp.OpenAsync(server);
        await raw.AuthenticateAsync(server.Token());

        await raw.SendAsync([.. RawAmqp.Begin(), .. RawAmqp.Attach("r", 0, source: "nave/ConsumerGroups/$Default/Partitions/0"), .. RawAmqp.Flow(0, 0, 10_000)]);
        await raw.ReadUntilAsync(Performative.Attach);

        // Everything comes once it is read, whatever had to wait.
        for (var i = 0; i < 12; i++)
        {
            await raw.ReadUntilAsync(Performative.Transfer);
        }

        Assert.Equal(12, server.Head.Events);
    }

    [Fact]
    [Conformance("events-endpoint", 22)]
    public async Task A_device_s_events_are_in_one_partition()
    {
        await using var server = await AmqpServer.StartAsync();
        foreach (var device in Enumerable.Range(0, 20).Select(i => $"device-{i}"))
        {
            await server.SendAsync(device, "1");
            await server.SendAsync(device, "2");
        }

        await using var client = await AmqpClient.ConnectAsync(server, server.Token());
        var partitions = new Dictionary<string, HashSet<int>>();
        for (var partition = 0; partition < 4; partition++)
        {
            var count = server.Readers.GetState(server.Readers.Find(partition)!.Value).NextSequenceNumber;
            var receiver = await client.ReceiveAsync($"nave/ConsumerGroups/$Default/Partitions/{partition}");
            receiver.Grant((int)count);
            for (var i = 0; i < count; i++)
            {
                var device = (string)(await receiver.NextAsync()).MessageAnnotations[new Symbol("iothub-connection-device-id")];
                partitions.TryAdd(device, []);
                partitions[device].Add(partition);
            }
        }

        Assert.Equal(20, partitions.Count);
        Assert.All(partitions.Values, places => Assert.Single(places));
    }

    // Second by second, as time goes: the sweep acts on what it sees each second.
    private static void Advance(FakeTimeProvider time, TimeSpan by)
    {
        for (var i = 0; i < (int)by.TotalSeconds; i++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
        }
    }
}
