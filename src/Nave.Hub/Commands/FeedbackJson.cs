using System.Text.Json;
using System.Text.Json.Serialization;
using Nave.Protocol.Messages;

namespace Nave.Hub.Commands;

/// <summary>A batch of feedback as its readers get it (spec/service-amqp.md 5).</summary>
internal static class FeedbackJson
{
    /// <summary>.NET compares it and throws on any other.</summary>
    public const string ContentType = "application/vnd.microsoft.iothub.feedback.json";

    /// <summary>The JSON array.</summary>
    public static byte[] Write(FeedbackBatch batch) => JsonSerializer.SerializeToUtf8Bytes(
        [.. batch.Records.Select(record => new FeedbackDocument(
            record.OriginalMessageId,
            ServiceTime.Write(record.EnqueuedTime),
            record.Outcome.ToString(),
            record.Outcome.ToString(),
            record.DeviceId,
            record.GenerationId))],
        CommandJson.Default.FeedbackDocumentArray);
}

internal sealed record FeedbackDocument(
    string OriginalMessageId, string EnqueuedTimeUtc, string StatusCode, string Description, string DeviceId, string DeviceGenerationId);

/// <summary>The answer to a purge (spec/service-rest.md 10).</summary>
internal sealed record PurgeDocument(string DeviceId, string? ModuleId, int TotalMessagesPurged);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(FeedbackDocument[]))]
[JsonSerializable(typeof(PurgeDocument))]
internal sealed partial class CommandJson : JsonSerializerContext;
