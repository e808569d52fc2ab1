using Nave.EventLog;
using Nave.Hub.Heads.Amqp;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Amqp;

public sealed class EventsFilterTests
{
    private static readonly PartitionState Ten = new(3, 10, DateTimeOffset.UnixEpoch.AddHours(1));

    [Theory]
    [Conformance("events-endpoint", 5, 6, 7)]
    [InlineData("amqp.annotation.x-opt-sequence-number > '7'", ReadFromKind.SequenceNumber, 8)]
    [InlineData("amqp.annotation.x-opt-sequence-number > 7", ReadFromKind.SequenceNumber, 8)]
    [InlineData("amqp.annotation.x-opt-sequence-number >= '7'", ReadFromKind.SequenceNumber, 7)]
    [InlineData("amqp.annotation.x-opt-sequence-number>=7", ReadFromKind.SequenceNumber, 7)]
    [InlineData("amqp.annotation.x-opt-sequence-number > '9'", ReadFromKind.SequenceNumber, 10)]
    [InlineData("amqp.annotation.x-opt-offset > '-1'", ReadFromKind.SequenceNumber, 0)]
    [InlineData("amqp.annotation.x-opt-offset > '4'", ReadFromKind.SequenceNumber, 5)]
    [InlineData("amqp.annotation.x-opt-offset >= '4'", ReadFromKind.SequenceNumber, 4)]
    [InlineData("amqp.annotation.x-opt-offset > '@latest'", ReadFromKind.SequenceNumber, 10)]
    [InlineData("amqp.annotation.x-opt-offset > @latest", ReadFromKind.SequenceNumber, 10)]
    [InlineData("amqp.annotation.x-opt-enqueued-time > '1468886400000'", ReadFromKind.EnqueuedTime, 1468886400000)]
    [InlineData("amqp.annotation.x-opt-enqueued-time > 1468886400000", ReadFromKind.EnqueuedTime, 1468886400000)]
    [InlineData("amqp.annotation.x-opt-enqueuedtimeutc > '1468886400000'", ReadFromKind.EnqueuedTime, 1468886400000)]
    [InlineData("amqp.annotation.x-opt-enqueuedtimeutc > 1468886400000", ReadFromKind.EnqueuedTime, 1468886400000)]
    public void A_filter_names_a_start_position(string filter, ReadFromKind kind, long value)
    {
        Assert.True(EventsFilter.TryParse(filter, out var position));
        Assert.True(position.TryResolve(Ten, out var from));

        Assert.Equal(kind, from.Kind);
        Assert.Equal(value, from.Value);
    }

    [Theory]
    [InlineData("")]
    [InlineData("amqp.annotation.x-opt-offset > ")]
    [InlineData("amqp.annotation.x-opt-offset > '4")]
    [InlineData("amqp.annotation.x-opt-offset > 'four'")]
    [InlineData("amqp.annotation.x-opt-offset != '4'")]
    [InlineData("amqp.annotation.x-opt-colour > '4'")]
    [InlineData("amqp.annotation.x-opt-sequence-number > '@latest'")]
    [InlineData("amqp.annotation.x-opt-offset > '4' AND amqp.annotation.x-opt-offset > '5'")]
    [InlineData("amqp.annotation.x-opt-offset > '99999999999999999999'")]
    public void A_malformed_filter_is_refused(string filter) => Assert.False(EventsFilter.TryParse(filter, out _));

    [Theory]
    [Conformance("events-endpoint", 27)]
    [InlineData("amqp.annotation.x-opt-offset > '10'")]
    [InlineData("amqp.annotation.x-opt-sequence-number >= '10'")]
    public void A_position_beyond_the_end_is_none(string filter)
    {
        Assert.True(EventsFilter.TryParse(filter, out var position));

        Assert.False(position.TryResolve(Ten, out _));
    }
}
