using Nave.Protocol.Messages;

namespace Nave.PskGateway.Upstream;

/// <summary>
/// One device at the hub. Calls may overlap; each returns when the hub has answered and never throws for what the hub or
/// the network does. After <see cref="IHubDeviceEvents.Closed"/> every call answers "lost". Disposing closes the device's
/// links without telling the events.
/// </summary>
internal interface IHubDevice : IAsyncDisposable
{
    /// <summary>Sends a device-to-cloud message; <see cref="SendOutcome.Accepted"/> only after the hub's <c>accepted</c>.</summary>
    /// <param name="properties">System and application properties.</param>
    /// <param name="body">Read until the returned task completes.</param>
    /// <param name="stopping">Gives up waiting; the message may have arrived.</param>
    ValueTask<SendResult> SendTelemetryAsync(MessageProperties properties, ReadOnlyMemory<byte> body, CancellationToken stopping);

    /// <summary>Has <see cref="IHubDeviceEvents.Command"/> called, with at most <paramref name="window"/> unsettled commands at a time.</summary>
    /// <returns>False when lost.</returns>
    ValueTask<bool> StartCommandsAsync(int window, CancellationToken stopping);

    /// <summary>Has no further commands come; those unsettled return to the hub's queue. Nothing when none were started.</summary>
    ValueTask StopCommandsAsync(CancellationToken stopping);

    /// <summary>Settles a command.</summary>
    /// <param name="token">As it came with the command.</param>
    /// <param name="outcome">What became of it.</param>
    /// <param name="stopping">Gives up waiting.</param>
    /// <returns>False when lost: the hub will deliver it again.</returns>
    ValueTask<bool> CompleteCommandAsync(string token, CommandOutcome outcome, CancellationToken stopping);

    /// <summary>Reads the twin's properties: <c>{"desired":{…},"reported":{…}}</c> with <c>$version</c> in each.</summary>
    ValueTask<TwinAnswer> GetTwinAsync(CancellationToken stopping);

    /// <summary>Patches the reported properties; status 204 with the new version when stored.</summary>
    /// <param name="patch">A JSON merge patch.</param>
    /// <param name="stopping">Gives up waiting.</param>
    ValueTask<TwinAnswer> PatchReportedAsync(ReadOnlyMemory<byte> patch, CancellationToken stopping);

    /// <summary>Has <see cref="IHubDeviceEvents.DesiredChanged"/> called from now on. Once is enough.</summary>
    /// <returns>False when lost.</returns>
    ValueTask<bool> StartDesiredAsync(CancellationToken stopping);

    /// <summary>Has <see cref="IHubDeviceEvents.MethodCalled"/> called.</summary>
    /// <returns>False when lost.</returns>
    ValueTask<bool> StartMethodsAsync(CancellationToken stopping);

    /// <summary>Takes no further methods: callers learn that the device is not online. Nothing when none were started.</summary>
    ValueTask StopMethodsAsync(CancellationToken stopping);

    /// <summary>Answers a direct method.</summary>
    /// <param name="requestId">As it came with the call.</param>
    /// <param name="status">The device's own number.</param>
    /// <param name="payload">JSON, or empty.</param>
    /// <param name="stopping">Gives up waiting.</param>
    /// <returns>False when lost.</returns>
    ValueTask<bool> AnswerMethodAsync(string requestId, int status, ReadOnlyMemory<byte> payload, CancellationToken stopping);
}

/// <summary>What became of a device-to-cloud message.</summary>
/// <param name="Outcome">The hub's answer, or that there was none.</param>
/// <param name="Reason">The hub's words on a rejection, for the operator.</param>
internal readonly record struct SendResult(SendOutcome Outcome, string? Reason = null);

/// <summary>What became of a device-to-cloud message.</summary>
internal enum SendOutcome
{
    /// <summary>The hub has it, durably.</summary>
    Accepted,

    /// <summary>The hub will not have it.</summary>
    Rejected,

    /// <summary>The hub did not answer: it may have it or not.</summary>
    Lost,
}

/// <summary>How a command is settled.</summary>
internal enum CommandOutcome
{
    /// <summary>The device has it.</summary>
    Complete,

    /// <summary>It returns to the queue.</summary>
    Abandon,

    /// <summary>It is dead-lettered.</summary>
    Reject,
}

/// <summary>The hub's answer to a request about the twin.</summary>
/// <param name="Status">The hub's number, or <see cref="Lost"/>.</param>
/// <param name="Body">JSON, or empty.</param>
/// <param name="Version">The reported properties' version after a patch.</param>
internal readonly record struct TwinAnswer(int Status, ReadOnlyMemory<byte> Body = default, long? Version = null)
{
    /// <summary>The status of no answer.</summary>
    public const int Lost = 0;
}
