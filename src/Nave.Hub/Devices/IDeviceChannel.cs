using Nave.Hub.Commands;
using Nave.Hub.Faults;
using Nave.Hub.Methods;
using Nave.Hub.Twins;

namespace Nave.Hub.Devices;

/// <summary>
/// The way from the hub to one connected device, given by its head. Calls are one-way: they return at once, never throw
/// for what the peer does, and outcomes come back as calls on the <see cref="DeviceSession"/>. Any thread may call.
/// </summary>
internal interface IDeviceChannel
{
    /// <summary>Sends a command. Only called within the grant that the session has given.</summary>
    void Deliver(CommandDelivery delivery);

    /// <summary>
    /// Tells of a change of desired properties. Only called while the session watches them, in the order of versions.
    /// </summary>
    void DesiredChanged(DesiredChange change);

    /// <summary>
    /// Asks for a direct method. Only called while the session watches them. What cannot be sent now is refused with
    /// <see cref="DeviceSession.RefuseMethod"/>, never kept.
    /// </summary>
    void InvokeMethod(MethodInvocation invocation);

    /// <summary>Ends the connection with a reason that the head translates; further calls do nothing.</summary>
    void Close(CloseReason reason);

    /// <summary>Does to the connection what its device has asked for; nothing where the fault's target does not exist.</summary>
    /// <param name="fault">No <see cref="FaultRequest.IsRefusal"/>.</param>
    /// <param name="reason">The device's own words, for error descriptions.</param>
    void Inject(FaultKind fault, string reason);
}
