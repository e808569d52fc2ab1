using System.Net;
using Microsoft.Extensions.Time.Testing;
using Nave.Protocol.Identities;
using Nave.Tokens.Checks;
using Nave.Tokens.Limits;
using Nave.Tokens.Tests.Harness;

namespace Nave.Tokens.Tests.Limits;

public sealed class AttemptLimitsTests
{
    private static readonly CheckResult Wrong = new CheckResult.Refused("wrong");
    private static readonly CheckResult Right = new CheckResult.Granted(DeviceId.Parse("d"), "pump");

    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Failures_of_a_pair_meet_a_delay_that_doubles_up_to_five_minutes()
    {
        var limits = new AttemptLimits(new AttemptLimitOptions(), _time);
        var delays = new List<double>();
        for (var i = 0; i < 12; i++)
        {
            Assert.Null(Try(limits, "pump", TokenDesk.Home, Wrong));
            var delay = limits.Enter("pump", TokenDesk.Home)!.Value;
            delays.Add(Math.Round(delay.TotalSeconds));
            _time.Advance(delay);
        }

        Assert.Equal([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300], delays);
    }

    [Fact]
    public void The_right_credential_from_elsewhere_passes_whatever_others_did()
    {
        var limits = new AttemptLimits(new AttemptLimitOptions(), _time);
        for (var i = 0; i < 1000; i++)
        {
            Try(limits, "pump", new IPAddress([10, 1, (byte)(i / 250), (byte)(i % 250)]), Wrong);
        }

        Assert.Null(limits.Enter("pump", TokenDesk.Elsewhere));
    }

    [Fact]
    public void An_address_with_many_failures_waits_but_a_pair_that_was_right_there_does_not()
    {
        var limits = new AttemptLimits(new AttemptLimitOptions(), _time);
        Try(limits, "honest", TokenDesk.Home, Right);
        for (var i = 0; i < 40; i++)
        {
            Try(limits, $"guess-{i}", TokenDesk.Home, Wrong);
        }

        Assert.NotNull(limits.Enter("another", TokenDesk.Home));
        Assert.Null(limits.Enter("honest", TokenDesk.Home));
        Assert.Null(limits.Enter("another", TokenDesk.Elsewhere));
    }

    [Fact]
    public void An_address_without_failures_may_ask_for_many_devices_at_once()
    {
        var limits = new AttemptLimits(new AttemptLimitOptions(), _time);

        var entered = Enumerable.Range(0, 50).Count(i => limits.Enter($"device-{i}", TokenDesk.Home) is null);

        Assert.Equal(50, entered);
    }

    [Fact]
    public void Guesses_of_one_pair_side_by_side_gain_nothing()
    {
        var limits = new AttemptLimits(new AttemptLimitOptions(), _time);

        var entered = Enumerable.Range(0, 50).Count(_ => limits.Enter("pump", TokenDesk.Home) is null);

        Assert.Equal(2, entered);
    }

    [Fact]
    public void A_success_ends_the_delay_of_its_pair()
    {
        var limits = new AttemptLimits(new AttemptLimitOptions(), _time);
        Try(limits, "pump", TokenDesk.Home, Wrong);
        _time.Advance(TimeSpan.FromSeconds(1));
        Try(limits, "pump", TokenDesk.Home, Right);

        Assert.Null(limits.Enter("pump", TokenDesk.Home));
    }

    [Fact]
    public void Requests_of_an_address_have_a_rate()
    {
        var limits = new AttemptLimits(new AttemptLimitOptions { RequestsPerMinute = 60 }, _time);

        var entered = Enumerable.Range(0, 100).Count(i => Try(limits, $"d{i}", TokenDesk.Home, Right) is null);
        _time.Advance(TimeSpan.FromSeconds(10));
        var later = Enumerable.Range(0, 100).Count(i => Try(limits, $"d{i}", TokenDesk.Home, Right) is null);

        Assert.Equal(60, entered);
        Assert.Equal(10, later);
    }

    [Fact]
    public void Tokens_of_a_device_have_a_rate()
    {
        var limits = new AttemptLimits(new AttemptLimitOptions { TokensPerHour = 3 }, _time);

        var taken = Enumerable.Range(0, 5).Select(_ => limits.TakeToken(DeviceId.Parse("d"))).ToList();

        Assert.Equal([true, true, true, false, false], taken.Select(wait => wait is null));
        Assert.Equal(1200, taken[3]!.Value.TotalSeconds, 1.0);
        Assert.Null(limits.TakeToken(DeviceId.Parse("other")));
    }

    [Fact]
    public void A_flood_of_addresses_does_not_make_a_guesser_be_forgotten()
    {
        var limits = new AttemptLimits(new AttemptLimitOptions { RequestsPerMinute = 0 }, _time);
        for (var i = 0; i < 10; i++)
        {
            Try(limits, "pump", TokenDesk.Home, Wrong);
            _time.Advance(TimeSpan.FromSeconds(Math.Pow(2, i)) < TimeSpan.FromMinutes(5) ? TimeSpan.FromSeconds(Math.Pow(2, i)) : TimeSpan.FromMinutes(5));
        }

        Try(limits, "pump", TokenDesk.Home, Wrong);
        for (var i = 0; i < 50_000; i++)
        {
            Try(limits, $"noise-{i}", new IPAddress([10, (byte)(i >> 16), (byte)(i >> 8), (byte)i]), Wrong);
        }

        Assert.NotNull(limits.Enter("pump", TokenDesk.Home));
    }

    private static TimeSpan? Try(AttemptLimits limits, string identity, IPAddress address, CheckResult result)
    {
        if (limits.Enter(identity, address) is { } wait)
        {
            return wait;
        }

        limits.Leave(identity, address, result);
        return null;
    }
}
