using System.Collections.Concurrent;
using Nave.Hub.Devices;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;
using Nave.Protocol.Messages;

namespace Nave.Hub.Commands;

/// <summary>
/// Whether a command would reach a device now (spec/heartbeat-monitoring.md 3.5): sends one that is empty and expires at
/// once, and tells what became of it. Its outcome is heard inside the hub, so no reader of feedback meets a message that it
/// did not send. Not a connection check: a device that is connected and takes no commands is not deliverable.
/// </summary>
internal sealed class Deliverability
{
    /// <summary>Where nothing else is said.</summary>
    public const int DefaultSeconds = 5;

    /// <summary>The longest wait.</summary>
    public const int MaxSeconds = 60;

    private readonly CommandSender _sender;
    private readonly IDeviceDirectory _directory;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<string, TaskCompletionSource<CommandOutcome>> _asked = new(StringComparer.Ordinal);

    public Deliverability(CommandSender sender, CommandStore store, IDeviceDirectory directory, TimeProvider time)
    {
        _sender = sender;
        _directory = directory;
        _time = time;
        store.Ended += OnEnded;
    }

    /// <summary>Asks, and waits for the answer as long as that.</summary>
    /// <returns><c>delivered</c>, <c>rejected</c>, <c>expired</c> or <c>queueFull</c>; a failure where nothing could be sent.</returns>
    public async Task<Outcome<DeliverableAnswer>> AskAsync(IdentityId id, TimeSpan timeout, CancellationToken stopping)
    {
        var since = _time.GetTimestamp();
        var messageId = "deliverable-" + RandomId.New().ToString("N");
        var ended = new TaskCompletionSource<CommandOutcome>(TaskCreationOptions.RunContinuationsAsynchronously);
        _asked[messageId] = ended;
        try
        {
            var probe = new CloudToDeviceMessage(
                MessageProperties.Empty with { MessageId = messageId, ExpiryTime = _time.GetUtcNow() + timeout, Application = [new("probe", "true")] },
                ReadOnlyMemory<byte>.Empty,
                AcknowledgementRequest.None);
            if (await _sender.SendAsync(id, probe, stopping) is { } refused)
            {
                return refused.Code is HubErrorCode.DeviceMaximumQueueDepthExceeded ? Answer("queueFull") : refused;
            }

            try
            {
                return Answer(await ended.Task.WaitAsync(timeout, _time, stopping));
            }
            catch (TimeoutException)
            {
                // Nobody else looks so soon. What a device has and has not settled by now stays with it, and is not delivered.
                await _directory.Of(id).SweepCommandsAsync();
                return Answer(ended.Task.IsCompletedSuccessfully ? await ended.Task : CommandOutcome.Expired);
            }
        }
        finally
        {
            _asked.TryRemove(messageId, out _);
        }

        Outcome<DeliverableAnswer> Answer(object outcome) => new DeliverableAnswer(
            outcome switch
            {
                CommandOutcome.Success => "delivered",
                CommandOutcome.Rejected => "rejected",
                string text => text,
                _ => "expired",
            },
            _time.GetElapsedTime(since));
    }

    private void OnEnded(CommandEnded ended)
    {
        if (_asked.TryGetValue(ended.MessageId, out var waiting))
        {
            waiting.TrySetResult(ended.Outcome);
        }
    }
}

/// <summary>What became of the question.</summary>
/// <param name="Result">A word for it.</param>
/// <param name="Took">How long it took.</param>
internal sealed record DeliverableAnswer(string Result, TimeSpan Took);
