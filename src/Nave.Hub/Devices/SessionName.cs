namespace Nave.Hub.Devices;

/// <summary>
/// Names a session across nodes: the actor keeps this value, never a live reference, so that it can live elsewhere.
/// </summary>
/// <param name="Node">The incarnation of the node that holds the connection; new at every start of a hub.</param>
/// <param name="Session">The node's own number of the session.</param>
/// <param name="Epoch">Rises with each takeover of the identity; a call with an older one is refused.</param>
internal readonly record struct SessionName(Guid Node, long Session, long Epoch);
