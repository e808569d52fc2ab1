using System.Text;
using Amqp;
using Amqp.Framing;
using Nave.Cli.CloudToDevice;
using Nave.Cli.Commands;

namespace Nave.Cli.Tests.CloudToDevice;

public sealed class FeedbackTests
{
    [Theory]
    [InlineData("""[{"originalMessageId":"m","deviceId":"d","statusCode":"Success","enqueuedTimeUtc":"t"}]""")]
    [InlineData("""[{"OriginalMessageId":"m","DeviceId":"d","StatusCode":"Success","EnqueuedTimeUtc":"t"}]""")]
    public void A_batch_is_read_in_either_spelling(string json)
    {
        var record = Assert.Single(Feedback.ReadBatch(Message(json)));

        Assert.Equal(("m", "d", "Success", "t"), (record.MessageId, record.DeviceId, record.Outcome, record.EnqueuedTime));
        Assert.True(record.IsSuccess);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("[null]")]
    [InlineData("no")]
    public void Anything_else_fails_with_a_reason(string json) =>
        Assert.Throws<CommandFailedException>(() => Feedback.ReadBatch(Message(json)));

    [Theory]
    [InlineData("30s", "2026-01-31T12:00:30Z")]
    [InlineData("2h", "2026-01-31T14:00:00Z")]
    [InlineData("2026-02-01T00:00:00Z", "2026-02-01T00:00:00Z")]
    public void An_expiry_is_a_duration_or_a_time(string text, string expected) => Assert.Equal(
        DateTimeOffset.Parse(expected, null), CloudToDeviceSend.ReadExpiry(text, DateTimeOffset.Parse("2026-01-31T12:00:00Z", null)));

    private static Message Message(string json) => new() { BodySection = new Data { Binary = Encoding.UTF8.GetBytes(json) } };
}
