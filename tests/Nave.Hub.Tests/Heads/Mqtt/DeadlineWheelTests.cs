using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Devices;
using Nave.Hub.Heads.Mqtt;
using Nave.Hub.Tests.Harness;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Mqtt;

public sealed class DeadlineWheelTests
{
    private static readonly TimeSpan Late = TimeSpan.FromSeconds(2);

    private readonly FakeTimeProvider _time = new();

    [Theory]
    [InlineData(0.1)]
    [InlineData(0.5)]
    [InlineData(3)]
    [InlineData(1767)]
    [InlineData(2047.9)]
    [InlineData(2048)]
    [InlineData(5000)]
    public void A_deadline_is_never_early_and_at_most_two_ticks_late(double seconds)
    {
        using var wheel = new DeadlineWheel(_time);
        var deadline = new TestDeadline(_time, TimeSpan.FromSeconds(seconds));
        wheel.Schedule(deadline);

        _time.Advance(TimeSpan.FromSeconds(seconds) - TimeSpan.FromMilliseconds(1));
        Assert.Equal(0, deadline.Expired);
        _time.Advance(DeadlineWheel.Tick * 2);

        Assert.Equal(1, deadline.Expired);
    }

    [Fact]
    public void A_deadline_that_moved_later_is_found_out_by_itself()
    {
        using var wheel = new DeadlineWheel(_time);
        var deadline = new TestDeadline(_time, TimeSpan.FromSeconds(10));
        wheel.Schedule(deadline);

        for (var i = 0; i < 100; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(9));
            deadline.Restart();
        }

        Assert.Equal(0, deadline.Expired);
        _time.Advance(TimeSpan.FromSeconds(11));
        Assert.Equal(1, deadline.Expired);
    }

    [Fact]
    public void A_deadline_that_moved_earlier_is_scheduled_anew()
    {
        using var wheel = new DeadlineWheel(_time);
        var deadline = new TestDeadline(_time, TimeSpan.FromSeconds(1000));
        wheel.Schedule(deadline);

        deadline.Length = TimeSpan.FromSeconds(2);
        wheel.Schedule(deadline);
        _time.Advance(TimeSpan.FromSeconds(3));

        Assert.Equal(1, deadline.Expired);
    }

    [Fact]
    public void What_was_removed_does_not_expire_and_its_neighbours_do()
    {
        using var wheel = new DeadlineWheel(_time);
        var deadlines = Enumerable.Range(0, 100).Select(_ => new TestDeadline(_time, TimeSpan.FromSeconds(5))).ToList();
        deadlines.ForEach(wheel.Schedule);

        foreach (var removed in deadlines.Where((_, i) => i % 3 is 0))
        {
            wheel.Remove(removed);
            wheel.Remove(removed);
        }

        _time.Advance(TimeSpan.FromSeconds(6));

        Assert.All(deadlines.Where((_, i) => i % 3 is 0), deadline => Assert.Equal(0, deadline.Expired));
        Assert.All(deadlines.Where((_, i) => i % 3 is not 0), deadline => Assert.Equal(1, deadline.Expired));
    }

    [Fact]
    public void Random_deadlines_expire_in_their_time()
    {
        var random = new Random(4711);
        using var wheel = new DeadlineWheel(_time);
        var deadlines = new List<TestDeadline>();
        for (var i = 0; i < 2000; i++)
        {
            var deadline = new TestDeadline(_time, TimeSpan.FromSeconds(random.NextDouble() * 4000));
            deadlines.Add(deadline);
            wheel.Schedule(deadline);
            _time.Advance(TimeSpan.FromMilliseconds(random.Next(200)));
        }

        for (var i = 0; i < 9000; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(500));
        }

        Assert.All(deadlines, deadline =>
        {
            Assert.Equal(1, deadline.Expired);
            Assert.InRange(deadline.LateBy, TimeSpan.Zero, DeadlineWheel.Tick * 2);
        });
    }

    [Theory]
    [Conformance("device-mqtt", 5)]
    [InlineData(2, 3)]
    [InlineData(60, 90)]
    [InlineData(1178, 1767)]
    [InlineData(65535, 1767)]
    [InlineData(0, 1767)]
    public void A_silent_connection_is_dropped_at_one_and_a_half_keep_alives(int keepAlive, int seconds)
    {
        using var wheel = new DeadlineWheel(_time);
        var channel = new MqttChannel(new MqttTestClient().ServerSide.Input);
        using var deadline = new ConnectionDeadline(wheel, _time, channel, TimeSpan.FromSeconds(10));
        deadline.ExpectKeepAlive((ushort)keepAlive);
        _time.Advance(TimeSpan.FromSeconds(1));
        deadline.Heard();

        _time.Advance(TimeSpan.FromSeconds(seconds) - TimeSpan.FromMilliseconds(1));
        Assert.Null(channel.Reason);
        _time.Advance(Late);

        Assert.Equal(CloseReason.KeepAliveTimeout, channel.Reason);
    }

    [Fact]
    public void A_connection_without_a_CONNECT_is_dropped_after_ten_seconds()
    {
        using var wheel = new DeadlineWheel(_time);
        var channel = new MqttChannel(new MqttTestClient().ServerSide.Input);
        using var deadline = new ConnectionDeadline(wheel, _time, channel, new MqttOptions().ConnectTimeout);

        _time.Advance(TimeSpan.FromSeconds(9.9));
        Assert.Null(channel.Reason);
        _time.Advance(Late);

        Assert.Equal(CloseReason.AuthenticationTimeout, channel.Reason);
    }

    private sealed class TestDeadline(FakeTimeProvider time, TimeSpan length) : Deadline
    {
        private long _since = time.GetTimestamp();
        private long _expiredAt;

        public TimeSpan Length { get; set; } = length;

        public int Expired { get; private set; }

        public TimeSpan LateBy => TimeSpan.FromTicks(_expiredAt - DueAt);

        public override long DueAt => _since + Length.Ticks; // The fake's timestamps are ticks.

        public void Restart() => _since = time.GetTimestamp();

        public override void Expire()
        {
            Expired++;
            _expiredAt = time.GetTimestamp();
        }
    }
}
