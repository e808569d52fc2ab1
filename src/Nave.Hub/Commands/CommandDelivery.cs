namespace Nave.Hub.Commands;

/// <summary>A command on its way to a device, locked for one receiver.</summary>
/// <param name="SequenceNumber">Position in the identity's queue.</param>
/// <param name="LockToken">Names the lock; what a settlement refers to.</param>
/// <param name="DeliveryCount">Counted returns so far: 0 at the first delivery.</param>
/// <param name="IsRedelivery">Whether it went out before.</param>
/// <param name="EnqueuedTime">When it was accepted, UTC.</param>
/// <param name="Message">The message.</param>
internal sealed record CommandDelivery(
    long SequenceNumber, Guid LockToken, int DeliveryCount, bool IsRedelivery, DateTimeOffset EnqueuedTime, CloudToDeviceMessage Message);

/// <summary>How much a session will take.</summary>
/// <param name="Limit">Deliveries in total since the session's first grant; like an AMQP link's delivery limit. A lower one takes credit back.</param>
/// <param name="LockDuration">How long each lock lasts; null for as long as the session lives (MQTT).</param>
internal readonly record struct CommandGrant(long Limit, TimeSpan? LockDuration);
