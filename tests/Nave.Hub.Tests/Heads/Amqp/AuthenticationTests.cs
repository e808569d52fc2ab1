using System.Text;
using Amqp.Framing;
using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Heads.Amqp;
using Nave.Hub.Tests.Harness;
using Nave.Protocol.Access;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Amqp;

public sealed class AuthenticationTests
{
    private const string Address = "nave/ConsumerGroups/$Default/Partitions/0";

    [Theory]
    [Conformance("events-endpoint", 15)]
    [Conformance("device-amqp", 1)]
    [InlineData("ANONYMOUS", null)]
    [InlineData("ANONYMOUS", "\0owner")]
    [InlineData("MSSBCBS", null)]
    [InlineData("MSSBCBS", "")]
    public async Task A_mechanism_that_proves_nothing_is_accepted_and_opens_nothing(string mechanism, string? response)
    {
        await using var server = await AmqpServer.StartAsync();
        await using var raw = await RawAmqp.ConnectAsync(server, RawAmqp.SaslHeader, Init(mechanism, response));

        Assert.Equal(RawAmqp.SaslHeader, await raw.ReadAsync(8));
        var offered = (await raw.ReadFrameAsync()).Text;
        Assert.All(["MSSBCBS", "PLAIN", "ANONYMOUS", "EXTERNAL"], name => Assert.Contains(name, offered));
        Assert.Equal(0, (await raw.ReadFrameAsync()).Body[^1]);

        await raw.SendAsync([.. RawAmqp.AmqpHeader, .. RawAmqp.Open(), .. RawAmqp.Begin(), .. RawAmqp.Attach("r", 0, source: Address)]);
        Assert.Equal(RawAmqp.AmqpHeader, await raw.ReadAsync(8));
        Assert.Contains("amqp:unauthorized-access", (await raw.ReadUntilAsync(Performative.Detach)).Text);
    }

    [Fact]
    public async Task Nothing_follows_the_outcome_before_the_client_s_own_header()
    {
        await using var server = await AmqpServer.StartAsync();
        await using var raw = await RawAmqp.ConnectAsync(server, RawAmqp.SaslHeader, Init("ANONYMOUS", null));
        await raw.ReadAsync(8);
        await raw.ReadFrameAsync();
        await raw.ReadFrameAsync();

        // rhea drops what comes in one piece with the outcome. A close instead of the header ends it: had anything been sent, it would be here.
        await raw.SendAsync("GET / HT"u8.ToArray());
        Assert.Equal("", await raw.ReadToEndAsync());
    }

    [Theory]
    [Conformance("events-endpoint", 14)]
    [Conformance("service-amqp", 2)]
    [InlineData("owner@sas.root.hub", true, 0)]
    [InlineData("owner@sas.root.HUB.nave.test", true, 0)]
    [InlineData("service@sas.root.hub", true, 1)]
    [InlineData("owner@sas.root.elsewhere", true, 1)]
    [InlineData("owner", false, 0)]
    [InlineData("owner", true, 0)]
    [InlineData("service", false, 1)]
    [InlineData("dev@sas.hub", true, 1)]
    [InlineData("", true, 1)]
    public async Task Plain_takes_a_policy_with_its_token_or_its_key(string user, bool isToken, int outcome)
    {
        await using var server = await AmqpServer.StartAsync(options: new AmqpOptions { HostNames = ["hub.nave.test", "127.0.0.1"] });
        var password = isToken ? server.Token("owner") : server.OwnerKey;
        await using var raw = await RawAmqp.ConnectAsync(server, RawAmqp.SaslHeader, Init("PLAIN", $"\0{user}\0{password}"));
        await raw.ReadAsync(8);
        await raw.ReadFrameAsync();

        Assert.Equal(outcome, (await raw.ReadFrameAsync()).Body[^1]);

        await raw.SendAsync([.. RawAmqp.AmqpHeader, .. RawAmqp.Open(), .. RawAmqp.Begin(), .. RawAmqp.Attach("r", 0, source: Address)]);
        if (outcome == 0)
        {
            await raw.ReadAsync(8);
            Assert.Contains("r", (await raw.ReadUntilAsync(Performative.Attach)).Text);
        }
        else
        {
            Assert.Equal("", await raw.ReadToEndAsync());
        }
    }

    [Fact]
    public async Task Plain_may_wait_to_be_asked()
    {
        await using var server = await AmqpServer.StartAsync();
        await using var raw = await RawAmqp.ConnectAsync(server, RawAmqp.SaslHeader, Init("PLAIN", null));
        await raw.ReadAsync(8);
        await raw.ReadFrameAsync();
        Assert.Equal(Performative.SaslChallenge, (await raw.ReadFrameAsync()).Performative);

        await raw.SendAsync(RawAmqp.Frame(0, RawAmqp.Described(0x43, RawAmqp.Binary(Encoding.UTF8.GetBytes($"\0owner\0{server.OwnerKey}"))), type: 1));

        Assert.Equal(0, (await raw.ReadFrameAsync()).Body[^1]);
    }

    [Theory]
    [InlineData("EXTERNAL", null)]
    [InlineData("DIGEST-MD5", null)]
    [InlineData("PLAIN", "no zeros")]
    public async Task Other_mechanisms_and_broken_responses_are_refused(string mechanism, string? response)
    {
        await using var server = await AmqpServer.StartAsync();
        await using var raw = await RawAmqp.ConnectAsync(server, RawAmqp.SaslHeader, Init(mechanism, response));
        await raw.ReadAsync(8);
        await raw.ReadFrameAsync();

        Assert.Equal(1, (await raw.ReadFrameAsync()).Body[^1]);
        Assert.Equal("", await raw.ReadToEndAsync());
    }

    [Fact]
    [Conformance("events-endpoint", 13)]
    [Conformance("service-amqp", 6)]
    [Conformance("device-amqp", 4)]
    public async Task Put_token_takes_either_signature_and_refuses_others_with_401()
    {
        await using var server = await AmqpServer.StartAsync();
        await using var client = await AmqpClient.ConnectAsync(server);
        var later = DateTimeOffset.MaxValue;

        Assert.Equal(200, await client.PutTokenAsync(SasToken.Mint("127.0.0.1", server.OwnerKey, later, "owner")));
        Assert.Equal(200, await client.PutTokenAsync(server.Token("owner"), "azure-devices.net:sastoken"));
        Assert.Equal(401, await client.PutTokenAsync(server.Token("owner", key: "another key")));
        Assert.Equal(401, await client.PutTokenAsync(server.Token("owner", expiresAt: server.Head.Time.GetUtcNow().AddMinutes(-10))));
        Assert.Equal(401, await client.PutTokenAsync("Bearer eyJ0eXAi", "jwt"));
        Assert.Equal(401, await client.PutTokenAsync(new string('x', 5000)));
        Assert.Equal(200, await client.PutTokenAsync(server.Token("owner")));
    }

    [Fact]
    [Conformance("service-amqp", 4, 5)]
    [Conformance("device-amqp", 3)]
    public async Task Put_token_with_empty_tags_and_a_null_target_is_answered_on_every_request()
    {
        await using var server = await AmqpServer.StartAsync();
        await using var raw = await RawAmqp.OpenAsync(server);

        await raw.SendAsync([
            .. RawAmqp.Begin(1), .. RawAmqp.Attach("a", 0, target: "$cbs", channel: 1, sndSettleMode: [0x50, 1]),
            .. RawAmqp.Attach("b", 1, source: "$cbs", channel: 1), .. RawAmqp.Flow(1, 0, 50, channel: 1)]);
        for (uint i = 0; i < 3; i++)
        {
            await raw.SendAsync(RawAmqp.Transfer(0, i, RawAmqp.PutToken(server.Token(), $"request{i}", "azure-devices.net:sastoken"), channel: 1));
            Assert.Contains($"request{i}", (await raw.ReadUntilAsync(Performative.Transfer)).Text);
        }
    }

    [Fact]
    public async Task A_malformed_request_costs_nothing_but_itself()
    {
        await using var server = await AmqpServer.StartAsync();
        await using var raw = await RawAmqp.OpenAsync(server);

        await raw.SendAsync([
            .. RawAmqp.Begin(), .. RawAmqp.Attach("a", 0, target: "$cbs"), .. RawAmqp.Attach("b", 1, source: "$cbs"), .. RawAmqp.Flow(1, 0, 50),
            .. RawAmqp.Transfer(0, 0, [0x00, 0x53, 0x77, 0xf0, 0, 0, 0, 5, 0x7f, 0xff, 0xff, 0xff, 0x43]),
            .. RawAmqp.Transfer(0, 1, new byte[50_000]),
            .. RawAmqp.Transfer(0, 2, RawAmqp.PutToken(server.Token(), "good"))]);

        Assert.Contains("good", (await raw.ReadUntilAsync(Performative.Transfer)).Text);
    }

    [Fact]
    [Conformance("service-amqp", 1)]
    [Conformance("device-amqp", 1, 5)]
    public async Task A_client_without_sasl_opens_and_may_attach_nothing_but_cbs()
    {
        await using var server = await AmqpServer.StartAsync();
        await using var client = await AmqpClient.ConnectAsync(server);

        Assert.Equal("amqp:unauthorized-access", (await client.RefusedAsync(Address)).Condition);
        Assert.Equal("amqp:unauthorized-access", (await client.RefusedAsync("nave/ConsumerGroups/nobody/Partitions/9")).Condition);
        Assert.Equal("amqp:unauthorized-access", (await client.RefusedAsync("elsewhere")).Condition);
        Assert.Equal("amqp:unauthorized-access", (await client.RefusedSenderAsync("/messages/devicebound")).Condition);
        Assert.Equal(200, await client.PutTokenAsync(server.Token()));
    }

    [Fact]
    [Conformance("device-amqp", 9)]
    public async Task A_renewed_token_keeps_links_and_an_expired_one_detaches_them()
    {
        var time = new FakeTimeProvider();
        await using var server = await AmqpServer.StartAsync(time);
        await using var client = await AmqpClient.ConnectAsync(server, server.Token(expiresAt: time.GetUtcNow().AddMinutes(1)));
        var receiver = await client.ReceiveAsync(Address);
        Assert.Equal(200, await client.PutTokenAsync(server.Token(expiresAt: time.GetUtcNow().AddMinutes(2))));

        time.Advance(TimeSpan.FromSeconds(61));
        server.Policies.ExpireTokens();
        Assert.Equal(1, server.Readers.Slots.Count);
        Assert.False(receiver.Link.IsClosed);

        time.Advance(TimeSpan.FromSeconds(60));
        server.Policies.ExpireTokens();
        Assert.Equal("amqp:unauthorized-access", (await receiver.ClosedAsync()).Condition);
        Assert.Equal(0, server.Readers.Slots.Count);
    }

    [Fact]
    public async Task A_removed_policy_cuts_its_links_and_not_those_of_others()
    {
        await using var server = await AmqpServer.StartAsync();
        await using var client = await AmqpClient.ConnectAsync(server, server.Token("service"));
        await using var other = await AmqpClient.ConnectAsync(server, server.Token("owner"));
        var cut = await client.ReceiveAsync(Address);
        var kept = await other.ReceiveAsync(Address);

        server.Policies.Remove("service");

        Assert.Equal("amqp:unauthorized-access", (await cut.ClosedAsync()).Condition);
        Assert.False(kept.Link.IsClosed);
        Assert.Equal(1, server.Readers.Slots.Count);
    }

    [Fact]
    public async Task A_connection_by_plain_ends_with_its_policy()
    {
        await using var server = await AmqpServer.StartAsync();
        await using var client = await AmqpClient.ConnectAsync(server, "owner", server.OwnerKey);
        var receiver = await client.ReceiveAsync(Address);
        var closed = new TaskCompletionSource<Error>(TaskCreationOptions.RunContinuationsAsynchronously);
        client.Connection.AddClosedCallback((_, error) => closed.TrySetResult(error));

        server.Policies.Remove("owner");

        Assert.Equal("amqp:unauthorized-access", (await closed.Task.WaitAsync(AmqpClient.Patience)).Condition);
        Assert.True(receiver.Link.IsClosed);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Whoever_proves_nothing_is_gone_after_ten_seconds(bool isOpen)
    {
        var time = new FakeTimeProvider();
        await using var server = await AmqpServer.StartAsync(time);
        await using var raw = isOpen ? await RawAmqp.OpenAsync(server) : await RawAmqp.ConnectAsync(server, RawAmqp.SaslHeader);
        await raw.ReadAsync(8); // the server's SASL header, or the first part of its OPEN

        time.Advance(TimeSpan.FromSeconds(9));
        time.Advance(TimeSpan.FromSeconds(2));
        time.Advance(TimeSpan.FromSeconds(6)); // a peer that does not answer the CLOSE

        var rest = await raw.ReadToEndAsync();
        Assert.Equal(isOpen, rest.Contains("amqp:unauthorized-access"));
    }

    private static byte[] Init(string mechanism, string? response) => RawAmqp.Frame(
        0,
        RawAmqp.Described(0x41, RawAmqp.Symbol(mechanism), response is null ? RawAmqp.Null : RawAmqp.Binary(Encoding.UTF8.GetBytes(response))),
        type: 1);
}
