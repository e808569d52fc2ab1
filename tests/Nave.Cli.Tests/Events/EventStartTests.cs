using Microsoft.Extensions.Time.Testing;
using Nave.Cli.Events;

namespace Nave.Cli.Tests.Events;

public sealed class EventStartTests
{
    [Theory]
    [InlineData("start", "amqp.annotation.x-opt-offset > '-1'")]
    [InlineData("END", "amqp.annotation.x-opt-offset > '@latest'")]
    [InlineData("#120", "amqp.annotation.x-opt-sequence-number >= '120'")]
    [InlineData("5m", "amqp.annotation.x-opt-enqueued-time > '1767225300000'")]
    [InlineData("2026-01-01T00:00:00Z", "amqp.annotation.x-opt-enqueued-time > '1767225600000'")]
    public void A_start_becomes_a_filter(string text, string selector) => Assert.Equal(selector, EventStart.TryParse(text, Time)?.Selector);

    [Theory]
    [InlineData("")]
    [InlineData("#-1")]
    [InlineData("yesterday")]
    public void Anything_else_is_none(string text) => Assert.Null(EventStart.TryParse(text, Time));

    private static FakeTimeProvider Time => new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
}
