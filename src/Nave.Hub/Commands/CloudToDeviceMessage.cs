using Nave.Protocol.Messages;

namespace Nave.Hub.Commands;

/// <summary>
/// A message from a back end for one device or module, as accepted. Immutable; a serialisable value, for it crosses to
/// wherever the device's actor lives.
/// </summary>
/// <param name="Properties">System and application properties; an expiry only where the sender named one, cut to what is allowed.</param>
/// <param name="Body">The bytes, untouched.</param>
/// <param name="Acknowledgement">Which outcomes the sender wants feedback about.</param>
internal sealed record CloudToDeviceMessage(
    MessageProperties Properties, ReadOnlyMemory<byte> Body, AcknowledgementRequest Acknowledgement);

/// <summary>Which outcomes give feedback: <c>iothub-ack</c> (spec/messaging-semantics.md 1.2).</summary>
[Flags]
internal enum AcknowledgementRequest
{
    None = 0,
    Positive = 1,
    Negative = 2,
    Full = Positive | Negative,
}

/// <summary>How a queued message ended. The names are feedback's <c>statusCode</c>.</summary>
internal enum CommandOutcome
{
    Success,
    Expired,
    DeliveryCountExceeded,
    Rejected,
    Purged,
}

/// <summary>What a device does with a received message.</summary>
internal enum Settlement
{
    Complete,
    Reject,
    Abandon,

    /// <summary>Back to the queue without counting: it never reached the device.</summary>
    Release,
}
