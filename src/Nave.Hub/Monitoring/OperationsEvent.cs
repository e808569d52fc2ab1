using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Nave.Hub.Access;
using Nave.Hub.Commands;
using Nave.Hub.Devices;
using Nave.Protocol.Errors;
using Nave.Protocol.Messages;

namespace Nave.Hub.Monitoring;

/// <summary>What operations events are about; the names are the service's. FileUploads will join with uploads.</summary>
internal enum OperationsCategory
{
    /// <summary>Devices that connect and leave.</summary>
    Connections,

    /// <summary>Messages of devices.</summary>
    DeviceTelemetry,

    /// <summary>Messages to devices.</summary>
    C2DCommands,

    /// <summary>Identities that are created, read, changed and deleted.</summary>
    DeviceIdentityOperations,
}

/// <summary>
/// One operations event before it is written (spec/messaging-semantics.md 6): what is not known is left out, as the
/// service does. Immutable.
/// </summary>
/// <param name="Category">Which category.</param>
/// <param name="Operation">The service's <c>operationName</c>.</param>
/// <param name="Device">The device, as it was claimed; null where nobody was named.</param>
internal sealed record OperationsEvent(OperationsCategory Category, string Operation, string? Device)
{
    // Bodies go to people's tools, never into a page.
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>What went wrong; null when nothing did.</summary>
    public OperationsFault? Fault { get; init; }

    /// <summary>By which protocol.</summary>
    public DeviceProtocol? Protocol { get; init; }

    /// <summary>How long it took: a judgement, a request; of a connection that ended, how long it lasted.</summary>
    public TimeSpan? Took { get; init; }

    /// <summary>What kind of credential was shown.</summary>
    public CredentialKind? Credential { get; init; }

    /// <summary>The size of a message with its properties.</summary>
    public long? MessageBytes { get; init; }

    /// <summary>Whether the message came with others; null where that is no question.</summary>
    public bool? IsBatch { get; init; }

    /// <summary>Which outcomes the sender of a command wanted to hear of.</summary>
    public AcknowledgementRequest? Acknowledgement { get; init; }

    /// <summary>The client of an identity operation, as it calls itself.</summary>
    public string? UserAgent { get; init; }

    /// <summary>The policy of an identity operation.</summary>
    public string? Policy { get; init; }

    /// <summary>The event's body.</summary>
    public byte[] Write(DateTimeOffset at)
    {
        var time = ServiceTime.Write(at);
        var buffer = new ArrayBufferWriter<byte>(512);
        using var json = new Utf8JsonWriter(buffer, Plain);
        json.WriteStartObject();
        json.WriteString("time", time);
        json.WriteString("operationName", Operation);
        json.WriteString("category", Category.ToString());
        json.WriteString("level", Fault is null ? "Information" : "Error");
        if (Fault is { } fault)
        {
            json.WriteNumber("statusCode", fault.Status);
            json.WriteNumber("statusType", fault.Type);
            json.WriteString("statusDescription", fault.Description);
        }

        json.WriteString("deviceId", Device);
        WriteText("protocol", Protocol?.ToString());
        WriteNumber("durationMs", Took is { } took ? (long)took.TotalMilliseconds : null);
        WriteText("authType", Credential is { } credential ? AuthType(credential) : null);
        WriteNumber("messageSizeInBytes", MessageBytes);
        WriteNumber("batching", IsBatch is { } isBatch ? isBatch ? 1 : 0 : null);
        WriteNumber("deliveryAcknowledgement", (long?)Acknowledgement);
        WriteText("userAgent", UserAgent);
        WriteText("sharedAccessPolicy", Policy);
        if (Category is OperationsCategory.DeviceTelemetry or OperationsCategory.C2DCommands)
        {
            // Of the event itself: the operations stream has one partition.
            json.WriteString("EventProcessedUtcTime", time);
            json.WriteNumber("PartitionId", 0);
            json.WriteString("EventEnqueuedUtcTime", time);
        }

        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan.ToArray();

        void WriteText(string name, string? value)
        {
            if (value is not null)
            {
                json.WriteString(name, value);
            }
        }

        void WriteNumber(string name, long? value)
        {
            if (value is { } number)
            {
                json.WriteNumber(name, number);
            }
        }
    }

    // A JSON text within JSON, as in the service.
    private static string AuthType(CredentialKind credential) => credential switch
    {
        CredentialKind.DeviceKey => """{"scope":"device","type":"sas","issuer":"iothub"}""",
        CredentialKind.ModuleKey => """{"scope":"module","type":"sas","issuer":"iothub"}""",
        CredentialKind.Policy => """{"scope":"hub","type":"sas","issuer":"iothub"}""",
        CredentialKind.Thumbprint => """{"scope":"device","type":"x509Certificate","issuer":"external"}""",
        _ => """{"scope":"device","type":"x509CertificateAuthority","issuer":"external"}""",
    };
}

/// <summary>What went wrong, in the service's numbers.</summary>
/// <param name="Status">As HTTP would answer.</param>
/// <param name="Type">The six digits.</param>
/// <param name="Description">For the operator.</param>
internal readonly record struct OperationsFault(int Status, int Type, string Description)
{
    /// <summary>A failure's numbers, and what its operator is told.</summary>
    public static OperationsFault Of(HubFailure failure) => new(failure.HttpStatus, (int)failure.Code, failure.Detail ?? failure.Message);
}
