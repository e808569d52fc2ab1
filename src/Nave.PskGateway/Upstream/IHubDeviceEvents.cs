using Nave.Protocol.Messages;

namespace Nave.PskGateway.Upstream;

/// <summary>
/// What the hub has for one device. One call at a time per device, in the hub's order, from any thread; each returns at
/// once and throws nothing. Memory handed over is the receiver's to keep.
/// </summary>
internal interface IHubDeviceEvents
{
    /// <summary>A command to deliver and settle.</summary>
    void Command(HubCommand command);

    /// <summary>A change of desired properties.</summary>
    /// <param name="patch">The JSON patch, with its <c>$version</c> when the hub sends one.</param>
    /// <param name="version">The version that the desired properties have after it.</param>
    void DesiredChanged(ReadOnlyMemory<byte> patch, long version);

    /// <summary>A direct method to answer.</summary>
    void MethodCalled(HubMethodCall call);

    /// <summary>The device's way to the hub is gone; called at most once, the last call.</summary>
    void Closed(HubClosing reason);
}

/// <summary>A cloud-to-device message.</summary>
/// <param name="Token">Settles it.</param>
/// <param name="Properties">System properties, <c>to</c> among them, and application properties.</param>
/// <param name="Acknowledgement"><c>iothub-ack</c> as the hub sent it, or null.</param>
/// <param name="Body">The body.</param>
internal sealed record HubCommand(string Token, MessageProperties Properties, string? Acknowledgement, ReadOnlyMemory<byte> Body);

/// <summary>A direct method.</summary>
/// <param name="RequestId">Names the call in its answer.</param>
/// <param name="Name">The method.</param>
/// <param name="Payload">JSON, or empty.</param>
internal sealed record HubMethodCall(string RequestId, string Name, ReadOnlyMemory<byte> Payload);

/// <summary>Why a device's way to the hub ended.</summary>
internal enum HubClosing
{
    /// <summary>The hub no longer accepts the device: disabled or deleted.</summary>
    NotAllowed,

    /// <summary>The connection to the hub broke.</summary>
    ConnectionLost,

    /// <summary>The device has connected anew elsewhere: the hub gave its place away.</summary>
    TakenOver,

    /// <summary>The gateway stops.</summary>
    Stopping,
}
