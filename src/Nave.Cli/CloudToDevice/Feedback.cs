using System.Text.Json;
using System.Text.Json.Nodes;
using Amqp;
using Amqp.Framing;

namespace Nave.Cli.CloudToDevice;

/// <summary>What the hub says became of one command (spec/service-amqp.md 5).</summary>
/// <param name="MessageId">The command's message id; empty when it had none.</param>
/// <param name="DeviceId">Whose command it was.</param>
/// <param name="Outcome"><c>Success</c>, <c>Expired</c>, <c>DeliveryCountExceeded</c>, <c>Rejected</c> or <c>Purged</c>.</param>
/// <param name="EnqueuedTime">When it ended, as the hub writes it.</param>
/// <param name="Json">The whole record.</param>
internal sealed record Feedback(string MessageId, string DeviceId, string Outcome, string EnqueuedTime, JsonNode Json)
{
    /// <summary>Whether the device has completed the command.</summary>
    public bool IsSuccess => Outcome == "Success";

    /// <summary>The records of a batch.</summary>
    /// <exception cref="CommandFailedException">The message is no batch of feedback.</exception>
    public static IReadOnlyList<Feedback> ReadBatch(Message message)
    {
        try
        {
            var records = JsonNode.Parse((message.BodySection as Data)?.Binary ?? []) as JsonArray ?? throw new JsonException("It is not an array.");
            return [.. records.Select(record => Read(record ?? throw new JsonException("A record is null.")))];
        }
        catch (JsonException e)
        {
            throw new CommandFailedException($"The hub sent feedback that cannot be read: {e.Message}");
        }
    }

    // Names in either form: the guide of 2016 writes them with a capital.
    private static Feedback Read(JsonNode record) => new(
        Text(record, "originalMessageId"), Text(record, "deviceId"), Text(record, "statusCode"), Text(record, "enqueuedTimeUtc"), record);

    private static string Text(JsonNode record, string name) =>
        (record[name] ?? record[char.ToUpperInvariant(name[0]) + name[1..]])?.ToString() ?? "";
}
