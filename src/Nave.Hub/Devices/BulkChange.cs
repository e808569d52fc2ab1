using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Devices;

/// <summary>One item of a bulk request (spec/service-rest.md 4.4).</summary>
/// <param name="Draft">What the identity shall be.</param>
/// <param name="Mode">What to do with it.</param>
/// <param name="ETag">What the <c>IfMatchETag</c> modes compare with.</param>
internal sealed record BulkChange(IdentityDraft Draft, BulkMode Mode, string? ETag = null);

/// <summary>What an item of a bulk request does to its identity.</summary>
internal enum BulkMode
{
    CreateOrUpdate,
    Create,
    Update,
    UpdateIfMatchETag,
    CreateOrUpdateIfMatchETag,
    Delete,
    DeleteIfMatchETag,
}

/// <summary>Why one item of a bulk request was not applied.</summary>
internal sealed record BulkError(IdentityId Id, HubFailure Failure);
