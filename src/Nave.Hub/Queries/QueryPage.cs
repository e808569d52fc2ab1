using Nave.Protocol.Identities;

namespace Nave.Hub.Queries;

/// <summary>Some rows of a result.</summary>
/// <param name="ItemType">What rows are, in the words of <c>x-ms-item-type</c> (spec/service-rest.md 8).</param>
/// <param name="Rows">JSON objects as UTF-8.</param>
/// <param name="Continuation">For the next page; null on the last.</param>
internal sealed record QueryPage(string ItemType, IReadOnlyList<byte[]> Rows, string? Continuation)
{
    public const string Twin = "Twin";
    public const string Raw = "Raw";
    public const string DeviceJob = "DeviceJob";
    public const string JobResponse = "JobResponse";
}

/// <summary>Identities that match a condition, in the order of their ids.</summary>
/// <param name="Ids">At most as many as asked for.</param>
/// <param name="HasMore">Whether there are others after the last.</param>
internal sealed record IdentityPage(IReadOnlyList<IdentityId> Ids, bool HasMore);
