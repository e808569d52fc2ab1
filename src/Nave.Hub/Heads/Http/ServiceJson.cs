using System.Text.Json.Serialization;

namespace Nave.Hub.Heads.Http;

/// <summary>The JSON of the service API: camelCase exactly, unknown members ignored.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(DeviceDocument))]
[JsonSerializable(typeof(DeviceDocument[]))]
[JsonSerializable(typeof(ModuleDocument))]
[JsonSerializable(typeof(ModuleDocument[]))]
[JsonSerializable(typeof(IdentityRequest))]
[JsonSerializable(typeof(BulkRequestItem[]))]
[JsonSerializable(typeof(BulkResultDocument))]
[JsonSerializable(typeof(DeviceStatisticsDocument))]
[JsonSerializable(typeof(ServiceStatisticsDocument))]
[JsonSerializable(typeof(FailureDocument))]
[JsonSerializable(typeof(QueriesTestDocument))]
[JsonSerializable(typeof(DeviceFailureDocument))]
[JsonSerializable(typeof(QueryRequest))]
internal sealed partial class ServiceJson : JsonSerializerContext;

/// <summary>The body of every refusal, shape A (spec/service-rest.md 3.1); <c>errorCode</c> only where nothing is built yet.</summary>
internal sealed record FailureDocument(
    [property: JsonPropertyName("Message")] string Message,
    [property: JsonPropertyName("ExceptionMessage")] string ExceptionMessage,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? ErrorCode);

/// <summary>What became of a bulk request (spec/service-rest.md 4.4).</summary>
internal sealed record BulkResultDocument(bool IsSuccessful, IReadOnlyList<BulkErrorDocument> Errors, IReadOnlyList<BulkErrorDocument> Warnings);

/// <summary>One item that was not applied; the code as a number, which every client takes.</summary>
internal sealed record BulkErrorDocument(
    string? DeviceId,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? ModuleId,
    int ErrorCode,
    string ErrorStatus);

/// <summary><c>/statistics/devices</c>.</summary>
internal sealed record DeviceStatisticsDocument(long TotalDeviceCount, long EnabledDeviceCount, long DisabledDeviceCount);

/// <summary><c>/statistics/service</c>.</summary>
internal sealed record ServiceStatisticsDocument(long ConnectedDeviceCount);

/// <summary><c>/configurations/testQueries</c>: what is wrong, nothing where all is well.</summary>
internal sealed record QueriesTestDocument(string? TargetConditionError, IReadOnlyDictionary<string, string> CustomMetricQueryErrors);
