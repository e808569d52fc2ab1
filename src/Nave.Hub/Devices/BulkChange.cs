using Nave.Hub.Twins;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Devices;

/// <summary>One item of a bulk request (spec/service-rest.md 4.4).</summary>
/// <param name="Draft">What the identity shall be.</param>
/// <param name="Mode">What to do with it.</param>
/// <param name="ETag">What the <c>IfMatchETag</c> modes compare with; of the twin modes, the twin's.</param>
/// <param name="Twin">Tags and desired properties, or null. Of an identity that is created they come with it.</param>
internal sealed record BulkChange(IdentityDraft Draft, BulkMode Mode, string? ETag = null, TwinUpdate? Twin = null);

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
    UpdateTwin,
    UpdateTwinIfMatchETag,
}

/// <summary>Why one item of a bulk request was not applied.</summary>
internal sealed record BulkError(IdentityId Id, HubFailure Failure);

/// <summary>What became of a bulk request.</summary>
/// <param name="Errors">Items that were not applied.</param>
/// <param name="Twins">Changes of twins that are still to be made, by the identities' actors: devices may be listening.</param>
internal sealed record BulkResult(IReadOnlyList<BulkError> Errors, IReadOnlyList<BulkTwin> Twins);

/// <summary>A change of a twin in a bulk request.</summary>
internal sealed record BulkTwin(IdentityId Id, TwinUpdate Update, ETagCondition Condition);
