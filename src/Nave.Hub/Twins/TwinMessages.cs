using Nave.Protocol.Errors;

namespace Nave.Hub.Twins;

/// <summary>A twin as its device gets it.</summary>
/// <param name="Json"><c>{"desired":{...,"$version":n},"reported":{...,"$version":m}}</c>.</param>
/// <param name="DesiredVersion">To be compared with notifications that were sent meanwhile.</param>
/// <param name="ReportedVersion">The other <c>$version</c>.</param>
internal sealed record DeviceTwin(byte[] Json, long DesiredVersion, long ReportedVersion)
{
    public static DeviceTwin Of(long desiredVersion, long reportedVersion, byte[] desired, byte[] reported) =>
        new(TwinText.ForDevice(desired, desiredVersion, reported, reportedVersion), desiredVersion, reportedVersion);
}

/// <summary>A device's patch of its reported properties, checked by <see cref="ReportedPatch.Read"/>.</summary>
/// <param name="GenerationId">Of the identity that the session was opened for.</param>
/// <param name="Json">A merge patch.</param>
/// <param name="ExpectedVersion">What the reported <c>$version</c> must be, where the device names one.</param>
/// <param name="At">When it was read, in ticks.</param>
/// <param name="Stamps">A merge patch of the metadata; null where the patch is long.</param>
internal sealed record ReportedPatch(string GenerationId, byte[] Json, long? ExpectedVersion, long At, byte[]? Stamps)
{
    // Metadata is longer than values that are short: of a long patch it is made when the row is known.
    private const int MaxStampedBytes = 4096;

    // The database looks for each member of a patch among all of the row: the product of both lengths bounds what that takes
    // to some tenths of a millisecond.
    private const int MaxProduct = 1_000_000;

    /// <summary>Reads what a device sent.</summary>
    public static Outcome<ReportedPatch> Read(string generationId, byte[] json, long? expectedVersion, DateTimeOffset now)
    {
        if (!TwinRules.Parse(json).TryGet(out var document, out var failure))
        {
            return failure;
        }

        using (document)
        {
            if (TwinRules.Check(document.RootElement, ignoresMarks: false) is { } broken)
            {
                return broken;
            }

            var at = now.UtcTicks;
            var stamps = json.Length <= MaxStampedBytes ? TwinMerge.MetadataPatch(document.RootElement, TwinStamp.OfReported(at)) : null;
            return new ReportedPatch(generationId, json, expectedVersion, at, stamps);
        }
    }

    /// <summary>How long the stored properties may be for the database to merge them: the result is within the limit, whatever it counts.</summary>
    public long RoomInPlace(int maxReportedBytes) =>
        Math.Min((maxReportedBytes / TwinSize.MostPerJsonByte) - Json.Length, MaxProduct / Json.Length);
}

/// <summary>
/// The version of a device's reported properties as its last patch left it, or nothing. Only a guess: a write that names it
/// finds out. Changed by the unit that patches, in the actor's turn.
/// </summary>
internal sealed class ReportedVersion
{
    public long? Value { get; private set; }

    public void Is(ReportedOutcome outcome) => Value = outcome.Failure is null ? outcome.Version : null;
}

/// <summary>What became of a reported patch: the new <c>$version</c>, or why there is none.</summary>
internal readonly record struct ReportedOutcome(long Version, HubFailure? Failure = null)
{
    public static implicit operator ReportedOutcome(HubFailure failure) => new(0, failure);
}

/// <summary>A change of desired properties on its way to the device.</summary>
/// <param name="Version">The desired <c>$version</c> that it made.</param>
/// <param name="Json">The patch, nulls and all, or after a replacement the complete section; with <c>$version</c>.</param>
internal sealed record DesiredChange(long Version, byte[] Json)
{
    public static DesiredChange Of(byte[] section, long version) => new(version, TwinText.WithVersion(section, version));
}

/// <summary>A change that was made by a back end.</summary>
/// <param name="Desired">What the device is to be told, or null.</param>
internal sealed record TwinChanged(DesiredChange? Desired)
{
    /// <summary>The twin as the change left it, where it was asked for.</summary>
    public TwinDocument? Document { get; init; }
}
