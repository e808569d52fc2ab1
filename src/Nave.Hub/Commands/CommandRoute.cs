using Nave.Hub.Devices;

namespace Nave.Hub.Commands;

/// <summary>Deliveries to sessions of this node. With more nodes, those of others go over the wire from here.</summary>
internal sealed class CommandRoute(SessionTable sessions) : ICommandRoute
{
    /// <inheritdoc/>
    public void Deliver(SessionName session, CommandDelivery delivery) => sessions.Find(session)?.Deliver(delivery);
}
