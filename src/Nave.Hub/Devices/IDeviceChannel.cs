using Nave.Hub.Commands;

namespace Nave.Hub.Devices;

/// <summary>
/// The way from the hub to one connected device, given by its head. Calls are one-way: they return at once, never throw
/// for what the peer does, and outcomes come back as calls on the <see cref="DeviceSession"/>. Any thread may call.
/// </summary>
/// <remarks>Methods and desired properties join this contract with the issues that build them.</remarks>
internal interface IDeviceChannel
{
    /// <summary>Sends a command. Only called within the grant that the session has given.</summary>
    void Deliver(CommandDelivery delivery);

    /// <summary>Ends the connection with a reason that the head translates; further calls do nothing.</summary>
    void Close(CloseReason reason);
}
