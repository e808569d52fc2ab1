using System.Buffers.Binary;
using System.Data.Common;
using Nave.Storage;

namespace Nave.Hub.Twins;

/// <summary>A twin as its row has it (<see cref="TwinSchema"/>): values and metadata apart, JSON as UTF-8.</summary>
internal sealed record TwinRow
{
    /// <summary>The columns that <see cref="Read"/> reads, of <c>twins</c> as <c>t</c>.</summary>
    public const string Columns = """
        t.generation_id, t.version, t.etag_counter, t.desired_version, t.reported_version, t.model_id, json(t.tags), json(t.desired),
        json(t.reported), t.desired_metadata, json(t.reported_stamps), json(t.configurations)
        """;

    /// <summary>How many they are.</summary>
    public const int ColumnCount = 12;

    /// <summary>Rows without more.</summary>
    public const string Select = "SELECT " + Columns + " FROM twins t";

    /// <summary>Of the identity: a twin of a re-created one is another.</summary>
    public required string GenerationId { get; init; }

    /// <summary>Of the document and of the row: every change raises it by one.</summary>
    public required long Version { get; init; }

    /// <summary>The ETag as a number: raised by changes of tags and desired properties only (spec/service-rest.md 6.1).</summary>
    public required long ETagCounter { get; init; }

    /// <summary><c>$version</c> of the desired properties.</summary>
    public required long DesiredVersion { get; init; }

    /// <summary><c>$version</c> of the reported properties.</summary>
    public required long ReportedVersion { get; init; }

    /// <summary>The DTDL model that the device announced last, or null.</summary>
    public string? ModelId { get; init; }

    public required byte[] Tags { get; init; }

    public required byte[] Desired { get; init; }

    public required byte[] Reported { get; init; }

    public required byte[] DesiredMetadata { get; init; }

    public required byte[] ReportedMetadata { get; init; }

    /// <summary>What configurations did to the twin, JSON or null.</summary>
    public byte[]? Configurations { get; init; }

    /// <summary>Unquoted: base64 of an 8-byte big-endian counter, as the service's own look.</summary>
    public string ETag => TwinETag.Of(ETagCounter);

    /// <summary>Reads <see cref="Columns"/> that begin at <paramref name="first"/>.</summary>
    public static TwinRow Read(in SqlRow row, int first) => new()
    {
        GenerationId = row.Text(first),
        Version = row.Number(first + 1),
        ETagCounter = row.Number(first + 2),
        DesiredVersion = row.Number(first + 3),
        ReportedVersion = row.Number(first + 4),
        ModelId = row.OptionalText(first + 5),
        Tags = row.Utf8(first + 6).ToArray(),
        Desired = row.Utf8(first + 7).ToArray(),
        Reported = row.Utf8(first + 8).ToArray(),
        DesiredMetadata = row.Utf8(first + 9).ToArray(),
        ReportedMetadata = TimeTree.Expand(row.Utf8(first + 10), TwinStamp.LastUpdated),
        Configurations = row.IsNull(first + 11) ? null : row.Utf8(first + 11).ToArray(),
    };

    /// <summary>JSON text as UTF-8.</summary>
    public static byte[] Json(DbDataReader row, int column) => row.GetFieldValue<byte[]>(column);
}

/// <summary>How a twin's ETag is written.</summary>
internal static class TwinETag
{
    public static string Of(long counter)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(bytes, counter);
        return Convert.ToBase64String(bytes);
    }
}
