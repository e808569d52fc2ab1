using Nave.Hub.Devices;
using Nave.Hub.Quotas;
using Nave.Hub.Telemetry;
using Nave.Protocol;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Commands;

/// <summary>
/// The service side of commands, for every path that a back end has (AMQP, REST, the tool): checks a message and hands it
/// to the device's actor, and tells how many are queued.
/// </summary>
internal sealed class CommandSender(
    DeviceRegistry registry, IDeviceDirectory directory, CommandStore store, CommandOptions options, HubMeter meter)
{
    /// <summary>Raised when a command was refused. Handlers return at once and do not throw.</summary>
    public event Action<IdentityId, CloudToDeviceMessage, HubFailure>? HasRefused;

    /// <summary>Queues a command for a device or module; durable when completed with null.</summary>
    /// <param name="id">To whom.</param>
    /// <param name="message">What.</param>
    /// <param name="stopping">The sender waits no longer.</param>
    /// <param name="waited">How long it has waited behind others of its sender.</param>
    public async ValueTask<HubFailure?> SendAsync(IdentityId id, CloudToDeviceMessage message, CancellationToken stopping, TimeSpan waited = default)
    {
        var failure = await TrySendAsync(id, message, waited, stopping);
        if (failure is not null)
        {
            HasRefused?.Invoke(id, message, failure);
        }

        return failure;
    }

    private async ValueTask<HubFailure?> TrySendAsync(IdentityId id, CloudToDeviceMessage message, TimeSpan waited, CancellationToken stopping)
    {
        if (message.Properties.MessageId is { Length: > HubLimits.MaxMessageIdLength } messageId)
        {
            return HubFailures.ArgumentInvalid.Saying(
                $"The message id has {messageId.Length} characters, {HubLimits.MaxMessageIdLength} are allowed.");
        }

        var bytes = message.Body.Length + EventEncoding.CountBytes(message.Properties);
        if (bytes > options.MaxMessageBytes)
        {
            return HubFailures.MessageTooLarge.Saying($"The message has {bytes} bytes with its properties, {options.MaxMessageBytes} are allowed.");
        }

        // A disabled device looks like an unknown one to the sender (spec/service-amqp.md 4).
        if (await registry.FindAsync(id, stopping) is not { IsEnabled: true })
        {
            return id.IsModule ? HubFailures.ModuleNotFound : HubFailures.DeviceNotFound;
        }

        if (await meter.PassAsync(Metered.CommandSends, id, stopping, waited: waited) is { } throttled)
        {
            return throttled;
        }

        var failure = await directory.Of(id).EnqueueCommandAsync(WithDestination(id, message));
        if (failure is null)
        {
            meter.Charge(Metered.CommandSends, bytes);
        }

        return failure?.Code is HubErrorCode.DeviceMaximumQueueDepthExceeded
            ? failure.Because($"the queue is full: {options.MaxQueued} of {options.MaxQueued} commands") : failure;
    }

    /// <summary>Whether there is such an identity.</summary>
    public async ValueTask<bool> ExistsAsync(IdentityId id, CancellationToken stopping) => await registry.FindAsync(id, stopping) is not null;

    /// <summary>Empties the queue of a device or module.</summary>
    /// <returns>How many messages went.</returns>
    public ValueTask<int> PurgeAsync(IdentityId id) => directory.Of(id).PurgeCommandsAsync();

    /// <summary>How many commands an identity has, enqueued and locked.</summary>
    public Task<int> CountAsync(DeviceIdentity identity, CancellationToken stopping) => store.CountAsync(identity.Id, identity.GenerationId, stopping);

    /// <summary>The same for all identities of a range of devices; who has none is not in it.</summary>
    public Task<Dictionary<IdentityId, int>> ListCountsAsync(DeviceId first, DeviceId last, CancellationToken stopping) =>
        store.ListCountsAsync(first, last, stopping);

    // `$.to` is always there for the device: what the back end wrote, else the device's own address (spec/device-mqtt.md 6 rule 1).
    private static CloudToDeviceMessage WithDestination(IdentityId id, CloudToDeviceMessage message) =>
        string.IsNullOrEmpty(message.Properties.To)
            ? message with { Properties = message.Properties with { To = id.ToPath() + "/messages/devicebound" } }
            : message;
}
