using System.Diagnostics;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Nave.Hub.Hosting;

/// <summary>
/// <c>DATA/connection.json</c> (design.md 3): how scripts and the tool find a running hub. Written last, atomically and
/// for the owner only; removed at a clean stop. One that names a dead process is no hub.
/// </summary>
public sealed record ConnectionFile
{
    /// <summary>The file's name in the data directory.</summary>
    public const string FileName = "connection.json";

    /// <summary>The first host name.</summary>
    public required string HostName { get; init; }

    /// <summary>The process that holds the log.</summary>
    public required int ProcessId { get; init; }

    /// <summary>The ports as they are.</summary>
    public required ConnectionPorts Ports { get; init; }

    /// <summary>Absolute path of what clients trust.</summary>
    public required string CaCertificate { get; init; }

    /// <summary>Connection strings of the built-in policies.</summary>
    public required IReadOnlyDictionary<string, string> Policies { get; init; }

    /// <summary>Connection string of the events endpoint.</summary>
    public required string Events { get; init; }

    /// <summary>Reads the file of a running hub; null when there is none or its process is gone.</summary>
    public static ConnectionFile? Find(string dataDirectory)
    {
        try
        {
            using var file = File.OpenRead(Path.Combine(dataDirectory, FileName));
            var connection = JsonSerializer.Deserialize(file, HostingJson.Plain.ConnectionFile);
            return connection is not null && IsAlive(connection.ProcessId) ? connection : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    internal void Write(string dataDirectory) =>
        OwnerFile.Write(Path.Combine(dataDirectory, FileName), JsonSerializer.SerializeToUtf8Bytes(this, HostingJson.Plain.ConnectionFile));

    internal static void Remove(string dataDirectory) => File.Delete(Path.Combine(dataDirectory, FileName));

    private static bool IsAlive(int processId)
    {
        try
        {
            using var process = Process.GetProcessById(processId);
            return !process.HasExited;
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            return false;
        }
    }
}

/// <summary>Ports of a running hub; the plain ones only where they are on.</summary>
public sealed record ConnectionPorts
{
    /// <summary>MQTT over TLS.</summary>
    public required int Mqtts { get; init; }

    /// <summary>AMQP over TLS.</summary>
    public required int Amqps { get; init; }

    /// <summary>HTTPS and WebSocket.</summary>
    public required int Https { get; init; }

    /// <summary>Operator functions and metrics.</summary>
    public required int Operator { get; init; }

    /// <summary>MQTT without TLS.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Mqtt { get; init; }

    /// <summary>AMQP without TLS.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Amqp { get; init; }
}

/// <summary><c>DATA/operator.json</c>: the credential of the operator port, for the owner of the data directory.</summary>
/// <param name="Url">Where operator functions are.</param>
/// <param name="Token">Goes into <c>Authorization: Bearer</c>.</param>
/// <param name="CaCertificate">Absolute path of what clients trust.</param>
public sealed record OperatorFile(string Url, string Token, string CaCertificate)
{
    /// <summary>The file's name in the data directory.</summary>
    public const string FileName = "operator.json";

    /// <summary>Reads it; null when there is none.</summary>
    public static OperatorFile? Find(string dataDirectory)
    {
        try
        {
            using var file = File.OpenRead(Path.Combine(dataDirectory, FileName));
            return JsonSerializer.Deserialize(file, HostingJson.Plain.OperatorFile);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    internal void Write(string dataDirectory) =>
        OwnerFile.Write(Path.Combine(dataDirectory, FileName), JsonSerializer.SerializeToUtf8Bytes(this, HostingJson.Plain.OperatorFile));
}

/// <summary>The format of a data directory, in <c>DATA/format.json</c>.</summary>
/// <param name="Format">Rises with each migration; an older program refuses a newer one.</param>
/// <param name="CreatedBy">The program's version that created it.</param>
internal sealed record DataFormat(int Format, string CreatedBy);

/// <summary>What is in <c>DATA/lock.json</c>, for whoever finds <c>DATA/lock</c> held.</summary>
internal sealed record LockHolder(int ProcessId, string Process, DateTimeOffset Since);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(ConnectionFile))]
[JsonSerializable(typeof(OperatorFile))]
[JsonSerializable(typeof(DataFormat))]
[JsonSerializable(typeof(LockHolder))]
internal sealed partial class HostingJson : JsonSerializerContext
{
    /// <summary>As it is read by scripts, not by browsers: the '+' of a key stands as it is.</summary>
    public static HostingJson Plain { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });
}
