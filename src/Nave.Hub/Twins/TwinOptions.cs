namespace Nave.Hub.Twins;

/// <summary>Section <c>Twins</c>: how large the sections of a twin may be, by the count of <see cref="TwinSize"/>.</summary>
public sealed class TwinOptions
{
    /// <summary>Tags of one twin, in counted bytes. Default 8,192, as in the service (spec/service-rest.md 6.3).</summary>
    public int MaxTagsBytes { get; set; } = 8 * 1024;

    /// <summary>Desired properties of one twin, in counted bytes. Default 32,768, as in the service (spec/service-rest.md 6.3).</summary>
    public int MaxDesiredBytes { get; set; } = 32 * 1024;

    /// <summary>Reported properties of one twin, in counted bytes. Default 32,768, as in the service (spec/service-rest.md 6.3).</summary>
    public int MaxReportedBytes { get; set; } = 32 * 1024;

    /// <summary>The limit of a section.</summary>
    internal int MaxBytesOf(TwinSection section) => section switch
    {
        TwinSection.Tags => MaxTagsBytes,
        TwinSection.Desired => MaxDesiredBytes,
        _ => MaxReportedBytes,
    };
}

/// <summary>The three parts of a twin that somebody writes.</summary>
internal enum TwinSection
{
    Tags,
    Desired,
    Reported,
}
