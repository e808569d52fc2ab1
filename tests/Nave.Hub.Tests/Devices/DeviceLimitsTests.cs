using System.Net;
using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Access;
using Nave.Hub.Devices;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Tests.Devices;

/// <summary>What one device or address may do at most.</summary>
public sealed class DeviceLimitsTests
{
    private static readonly IdentityId Device = new(DeviceId.Parse("dev"));
    private static readonly IdentityId Other = new(DeviceId.Parse("other"));
    private static readonly IPAddress Here = IPAddress.Parse("10.0.0.1");
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void A_device_connects_so_often_a_minute_and_costs_no_other()
    {
        var limits = Limits(options => options.MaxConnectsPerDevice = 6);
        var told = new List<(IdentityId, IPAddress?, HubFailure)>();
        limits.Refused += (id, address, failure) => told.Add((id, address, failure));

        Assert.All(Enumerable.Range(0, 6), _ => Assert.Null(limits.TryConnect(Device, Here)));
        var refused = limits.TryConnect(Device, Here)!;

        Assert.Equal((HubErrorCode.DeviceThrottlingLimitExceeded, 429), (refused.Code, refused.HttpStatus));
        Assert.Equal(ConnackCode.ServerUnavailable, refused.Connack);
        Assert.Equal("more than 6 connects a minute of 'dev' (Access:MaxConnectsPerDevice)", refused.Detail);
        Assert.Equal((Device, Here, refused), Assert.Single(told));
        Assert.Equal(1, limits.ConnectsRefused);
        Assert.Null(limits.TryConnect(Other, Here));

        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Null(limits.TryConnect(Device, Here));
        Assert.NotNull(limits.TryConnect(Device, Here));
    }

    [Fact]
    public void An_address_connects_so_often_a_minute_whoever_it_is()
    {
        var limits = Limits(options => options.MaxConnectsPerAddress = 2);

        Assert.Null(limits.TryConnect(Device, Here));
        Assert.Null(limits.TryConnect(Other, Here));

        Assert.Contains("Access:MaxConnectsPerAddress", limits.TryConnect(new IdentityId(DeviceId.Parse("third")), Here)!.Detail, StringComparison.Ordinal);
        Assert.Null(limits.TryConnect(Device, IPAddress.Parse("10.0.0.2")));
        Assert.Null(limits.TryConnect(Device, address: null));
    }

    [Fact]
    public void Messages_over_a_devices_limit_wait_and_its_sessions_share_it()
    {
        var limits = Limits(options => options.MaxMessagesPerDevice = 100);
        var first = limits.AllowanceOf(Device);
        var second = limits.AllowanceOf(Device);

        var taken = 0;
        while (first.TryTake())
        {
            taken++;
        }

        Assert.Equal(100, taken);
        Assert.True(first.IsUsedUp);
        Assert.False(second.TryTake());
        Assert.True(limits.AllowanceOf(Other).TryTake());
        Assert.True(limits.MessagesHeld > 0);

        _time.Advance(TimeSpan.FromSeconds(0.5));
        Assert.Equal(50, Enumerable.Range(0, 100).Count(_ => second.TryTake()));
    }

    [Fact]
    public async Task Who_waits_for_messages_asks_again_when_there_are_some()
    {
        var limits = Limits(options => options.MaxMessagesPerDevice = 2);
        var allowance = limits.AllowanceOf(Device);
        Assert.True(allowance.TryTake());
        Assert.True(allowance.TryTake());
        Assert.False(allowance.TryTake());

        var waiting = allowance.WaitAsync(TestContext.Current.CancellationToken);
        Assert.False(waiting.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(0.5));
        await waiting.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);

        Assert.True(allowance.TryTake());
        Assert.False(allowance.IsUsedUp);
    }

    [Fact]
    public void A_request_that_cannot_wait_is_refused()
    {
        var limits = Limits(options => options.MaxMessagesPerDevice = 10);

        Assert.Null(limits.TrySend(Device, 8));
        var refused = limits.TrySend(Device, 3)!;
        Assert.Equal((429, "more than 10 messages a second of 'dev' (Access:MaxMessagesPerDevice)"), (refused.HttpStatus, refused.Detail));
        Assert.Null(limits.TrySend(Device, 2));

        // A batch larger than the limit passes where nothing was sent for a second.
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Null(limits.TrySend(Device, 500));
        Assert.NotNull(limits.TrySend(Device, 1));

        // It is owed whole, to requests and connections alike.
        _time.Advance(TimeSpan.FromSeconds(45));
        Assert.NotNull(limits.TrySend(Device, 1));
        Assert.False(limits.AllowanceOf(Device).TryTake());
        _time.Advance(TimeSpan.FromSeconds(4.5));
        Assert.Null(limits.TrySend(Device, 5));
    }

    [Fact]
    public void Requests_at_the_same_moment_share_what_there_is()
    {
        var limits = Limits(options => options.MaxMessagesPerDevice = 1000);
        var sent = 0;

        Parallel.For(0, 20_000, _ =>
        {
            if (limits.TrySend(Device, 1) is null)
            {
                Interlocked.Increment(ref sent);
            }
        });

        Assert.Equal(1000, sent);
    }

    [Fact]
    public void Zero_lifts_each_limit()
    {
        var limits = Limits(options => options.MaxConnectsPerDevice = options.MaxConnectsPerAddress = options.MaxMessagesPerDevice = 0);
        var allowance = limits.AllowanceOf(Device);

        Assert.All(Enumerable.Range(0, 10_000), _ => Assert.Null(limits.TryConnect(Device, Here)));
        Assert.True(Enumerable.Range(0, 100_000).All(_ => allowance.TryTake()));
        Assert.Null(limits.TrySend(Device, int.MaxValue));
    }

    private DeviceLimits Limits(Action<AccessOptions> set)
    {
        var options = new AccessOptions();
        set(options);
        return new DeviceLimits(options, _time);
    }
}
