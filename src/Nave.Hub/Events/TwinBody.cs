using Nave.Hub.Twins;
using Nave.Protocol.Identities;
using Nave.Storage;

namespace Nave.Hub.Events;

/// <summary>A whole twin as the body of an event (spec/messaging-semantics.md 5), written as <see cref="TwinEvents"/> writes it.</summary>
/// <param name="Json">The body.</param>
/// <param name="ModelId">The model that the device announced, or null.</param>
internal sealed record TwinBody(byte[] Json, string? ModelId)
{
    /// <summary>The twin as the unit sees it now, or null.</summary>
    public static TwinBody? Find(SqlSession session, IdentityId id) =>
        TwinWriter.FindRow(session, id) is { } twin ? new TwinBody(TwinEvents.Whole(id, twin), twin.ModelId) : null;
}
