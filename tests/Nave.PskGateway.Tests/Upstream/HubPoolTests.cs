using Nave.Hub.Access;
using Nave.Hub.Tests.Heads.Amqp;
using Nave.Protocol.Access;
using Nave.Protocol.Identities;
using Nave.PskGateway.Upstream;

namespace Nave.PskGateway.Tests.Upstream;

/// <summary>Many devices over few connections, against a real hub (docs/decisions/0023-psk-upstream.md).</summary>
public sealed class HubPoolTests
{
    [Fact]
    public async Task Six_hundred_devices_need_two_connections_and_the_trouble_of_one_is_nobody_elses()
    {
        await using var rig = await PoolRig.StartAsync();
        var identities = await rig.CreateAsync(600);
        var open = await Task.WhenAll(identities.Select(identity => rig.OpenAsync(identity.Id.Device.Value)));
        Assert.All(await Task.WhenAll(open.Select(device => PoolRig.SendAsync(device.Device))), result => Assert.Equal(SendOutcome.Accepted, result.Outcome));
        Assert.Equal((2, 600, 2), (rig.Pool.Connections, rig.Pool.Devices, rig.Line.Accepted));

        await rig.Hub.SetEnabledAsync(identities[7], false);

        Assert.Equal(HubClosing.NotAllowed, await open[7].Events.ClosedAsync().WaitAsync(TimeSpan.FromSeconds(5)));
        Assert.Equal(SendOutcome.Lost, (await PoolRig.SendAsync(open[7].Device)).Outcome);
        var others = open.Where((_, i) => i != 7).ToArray();
        Assert.All(await Task.WhenAll(others.Select(device => PoolRig.SendAsync(device.Device))), result => Assert.Equal(SendOutcome.Accepted, result.Outcome));
        Assert.DoesNotContain(others, device => device.Events.IsClosed);
        Assert.Equal(2, rig.Pool.Connections);
    }

    [Fact]
    public async Task A_connection_without_devices_is_closed()
    {
        await using var rig = await PoolRig.StartAsync(options => options with { DevicesPerConnection = 2 });
        await rig.CreateAsync(3);
        var first = await rig.OpenAsync("dev-0");
        var second = await rig.OpenAsync("dev-1");
        var third = await rig.OpenAsync("dev-2");
        Assert.Equal(2, rig.Pool.Connections);

        await third.Device.DisposeAsync();

        await Eventually.IsAsync(() => rig.Pool.Connections == 1);
        Assert.Equal(SendOutcome.Accepted, (await PoolRig.SendAsync(first.Device)).Outcome);
        await first.Device.DisposeAsync();
        await second.Device.DisposeAsync();
        await Eventually.IsAsync(() => rig.Pool.Connections == 0);
        Assert.False(third.Events.IsClosed, "Who left by himself is not told.");
        Assert.Equal(0, rig.Pool.Devices);
    }

    [Fact]
    public async Task What_was_under_way_on_a_lost_connection_is_lost_and_the_device_can_come_again()
    {
        await using var rig = await PoolRig.StartAsync(options => options with { PendingSendsPerDevice = 8 });
        await rig.CreateAsync(2);
        var (device, events) = await rig.OpenAsync("dev-0");
        var (_, bystander) = await rig.OpenAsync("dev-1");
        Assert.Equal(SendOutcome.Accepted, (await PoolRig.SendAsync(device)).Outcome);

        // More than may be under way: some wait for room.
        rig.Line.HoldAnswers();
        var pending = Enumerable.Range(0, 20).Select(_ => PoolRig.SendAsync(device)).ToArray();
        rig.Line.Cut();

        Assert.All(await Task.WhenAll(pending), result => Assert.Equal(SendOutcome.Lost, result.Outcome));
        Assert.Equal(HubClosing.ConnectionLost, await events.ClosedAsync());
        Assert.Equal(HubClosing.ConnectionLost, await bystander.ClosedAsync());
        Assert.Equal(0, rig.Pool.PendingBytes);
        var (again, _) = await rig.OpenAsync("dev-0");
        Assert.Equal(SendOutcome.Accepted, (await PoolRig.SendAsync(again)).Outcome);
        Assert.Equal(2, rig.Line.Accepted);
    }

    [Fact]
    public async Task An_unknown_and_a_disabled_device_are_not_allowed_and_leave_no_trace()
    {
        await using var rig = await PoolRig.StartAsync();
        var identities = await rig.CreateAsync(1);
        await rig.Hub.SetEnabledAsync(identities[0], false);
        var events = new RecordedEvents();

        var disabled = await rig.Pool.OpenAsync(DeviceId.Parse("dev-0"), events, TestContext.Current.CancellationToken);
        var unknown = await rig.Pool.OpenAsync(DeviceId.Parse("nobody"), events, TestContext.Current.CancellationToken);

        Assert.Equal((HubRefusal.NotAllowed, HubRefusal.NotAllowed), (disabled.Refusal, unknown.Refusal));
        Assert.Null(disabled.Device ?? unknown.Device);
        await Eventually.IsAsync(() => rig.Pool.Connections == 0);
        Assert.False(events.IsClosed);
    }

    [Fact]
    public async Task A_device_that_comes_twice_takes_its_own_place()
    {
        await using var rig = await PoolRig.StartAsync();
        await rig.CreateAsync(1);
        var (_, older) = await rig.OpenAsync("dev-0");

        var (newer, events) = await rig.OpenAsync("dev-0");

        Assert.Equal(HubClosing.TakenOver, await older.ClosedAsync());
        Assert.Equal(SendOutcome.Accepted, (await PoolRig.SendAsync(newer)).Outcome);
        Assert.False(events.IsClosed);
        Assert.Equal(1, rig.Pool.Devices);
    }

    [Fact]
    public async Task A_hub_that_gives_the_place_away_takes_it_over()
    {
        await using var rig = await PoolRig.StartAsync();
        await rig.CreateAsync(1);
        var (_, events) = await rig.OpenAsync("dev-0");
        Assert.True(HubPool.TryCreate(
            new UpstreamOptions
            {
                ConnectionString = rig.Hub.Connection.Policies["device"],
                ConnectTo = "127.0.0.1",
                Port = rig.Line.Port,
                CaFile = rig.Hub.Connection.CaCertificate,
            },
            TimeProvider.System,
            Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance,
            out var other,
            out _));
        await using var pool = other;

        var opening = await pool.OpenAsync(DeviceId.Parse("dev-0"), new RecordedEvents(), TestContext.Current.CancellationToken);

        Assert.NotNull(opening.Device);
        Assert.Equal(HubClosing.TakenOver, await events.ClosedAsync());
    }

    [Fact]
    public async Task A_pool_that_ends_tells_its_devices_and_opens_no_more()
    {
        await using var rig = await PoolRig.StartAsync();
        await rig.CreateAsync(1);
        var (device, events) = await rig.OpenAsync("dev-0");

        await rig.Pool.DisposeAsync();

        Assert.Equal(HubClosing.Stopping, await events.ClosedAsync());
        Assert.Equal(SendOutcome.Lost, (await PoolRig.SendAsync(device)).Outcome);
        var opening = await rig.Pool.OpenAsync(DeviceId.Parse("dev-0"), events, TestContext.Current.CancellationToken);
        Assert.Equal(HubRefusal.Unreachable, opening.Refusal);
    }

    [Fact]
    public async Task A_hub_that_stops_answering_loses_what_it_has_not_answered()
    {
        await using var rig = await PoolRig.StartAsync(options => options with { SendTimeout = TimeSpan.FromSeconds(1) });
        await rig.CreateAsync(1);
        var (device, events) = await rig.OpenAsync("dev-0");

        rig.Line.HoldAnswers();
        var result = await PoolRig.SendAsync(device);

        Assert.Equal(SendOutcome.Lost, result.Outcome);
        Assert.Equal(HubClosing.ConnectionLost, await events.ClosedAsync());
        rig.Line.Cut();
    }

    [Fact]
    public async Task A_hub_that_cannot_be_verified_gets_no_token()
    {
        // The system's authorities do not know the hub's.
        await using var rig = await PoolRig.StartAsync(options => options with { CaFile = null });
        await rig.CreateAsync(1);

        var opening = await rig.Pool.OpenAsync(DeviceId.Parse("dev-0"), new RecordedEvents(), TestContext.Current.CancellationToken);

        Assert.Equal((null, HubRefusal.Unreachable), (opening.Device, opening.Refusal));
        Assert.Contains(rig.Hub.Log.Lines, line => line.Id == 9254);
        Assert.Contains("certificate", opening.Detail);
    }

    [Fact]
    public async Task A_policy_that_the_hub_refuses_is_the_operators_trouble_and_its_key_stays_secret()
    {
        var key = Convert.ToBase64String(new byte[32]);
        await using var rig = await PoolRig.StartAsync(options => options with
        {
            ConnectionString = $"HostName=localhost;SharedAccessKeyName=device;SharedAccessKey={key}",
        });
        await rig.CreateAsync(1);

        var opening = await rig.Pool.OpenAsync(DeviceId.Parse("dev-0"), new RecordedEvents(), TestContext.Current.CancellationToken);

        Assert.Equal((null, HubRefusal.Unreachable), (opening.Device, opening.Refusal));
        var warning = Assert.Single(rig.Hub.Log.Lines, line => line.Id == 9253);
        Assert.Equal(Microsoft.Extensions.Logging.LogLevel.Warning, warning.Level);
        Assert.DoesNotContain(rig.Hub.Log.Lines, line => line.Message.Contains(key, StringComparison.Ordinal) || line.Message.Contains("sig=", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_policy_that_is_narrowed_to_devices_opens_those_and_no_others(bool usesDeviceTokens)
    {
        const string key = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I=";
        await using var rig = await PoolRig.StartAsync(options => options with
        {
            ConnectionString = $"HostName=localhost;SharedAccessKeyName=psk;SharedAccessKey={key}",
            UsesDeviceTokens = usesDeviceTokens,
        });
        var policy = await rig.Hub.Get<PolicyRegistry>().CreateAsync(
            new PolicySeed("psk", AccessRights.DeviceConnect) { PrimaryKey = key }, new PolicyBounds("meter-*", []), TestContext.Current.CancellationToken);
        Assert.Null(policy.Failure);
        await rig.Hub.CreateAsync("meter-1");
        await rig.Hub.CreateAsync("valve-1");

        var (meter, _) = await rig.OpenAsync("meter-1");
        var valve = await rig.Pool.OpenAsync(DeviceId.Parse("valve-1"), new RecordedEvents(), TestContext.Current.CancellationToken);

        Assert.Equal(HubRefusal.NotAllowed, valve.Refusal);
        Assert.Equal(SendOutcome.Accepted, (await PoolRig.SendAsync(meter)).Outcome);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Renewed_tokens_keep_links_open_past_the_life_of_the_first(bool usesDeviceTokens)
    {
        await using var rig = await PoolRig.StartAsync(options => options with { TokenLife = TimeSpan.FromSeconds(4), UsesDeviceTokens = usesDeviceTokens });
        await rig.CreateAsync(2);
        var open = new[] { await rig.OpenAsync("dev-0"), await rig.OpenAsync("dev-1") };

        // Renewed twice at 80 % of its life: the first has ended, and the hub ends what stands on such a token within a second.
        await Eventually.IsAsync(() => rig.Hub.Log.Lines.Count(line => line.Id == 9250) >= 2 * (usesDeviceTokens ? open.Length : 1));

        Assert.All(open, device => Assert.False(device.Events.IsClosed));
        Assert.All(await Task.WhenAll(open.Select(device => PoolRig.SendAsync(device.Device))), result => Assert.Equal(SendOutcome.Accepted, result.Outcome));
        Assert.Equal(1, rig.Line.Accepted);
    }
}
