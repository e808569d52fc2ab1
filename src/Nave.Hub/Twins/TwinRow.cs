namespace Nave.Hub.Twins;

/// <summary>A twin as its row has it (<see cref="TwinSchema"/>): values and metadata apart, JSON as UTF-8.</summary>
internal sealed record TwinRow
{
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
}

/// <summary>How a twin's ETag is written.</summary>
internal static class TwinETag
{
    public static string Of(long counter)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(bytes, counter);
        return Convert.ToBase64String(bytes);
    }
}
