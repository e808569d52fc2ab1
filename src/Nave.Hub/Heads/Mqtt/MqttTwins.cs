using System.Buffers;
using System.Threading.Channels;
using Nave.Hub.Devices;
using Nave.Hub.Quotas;
using Nave.Hub.Twins;
using Nave.Mqtt;
using Nave.Protocol;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>
/// The twin of one MQTT client (spec/device-mqtt.md 8): answers its requests one after the other, beside the connection's
/// loop since SQL takes its time, and tells it of desired changes. Owns the order of what is said of the twin: what a
/// client hears of desired properties never goes back.
/// </summary>
internal sealed class MqttTwins(
    DeviceSession session, MqttSubscriptions subscriptions, MqttTransport transport, AckQueue acknowledgements, MqttPeer peer,
    MqttSignals signals, TimeProvider time)
{
    // A client that asks faster than it is answered is not read from meanwhile.
    private const int MaxWaiting = 8;

    // Desired changes for a client that takes nothing: it is cut off, and asks for its twin when it is back.
    private const int MaxUnsentBytes = 1024 * 1024;

    private readonly MqttWriter _writer = transport.Writer;
    private readonly MqttChannel _channel = transport.Channel;

    // Order: this lock, then the writer's.
    private readonly Lock _order = new();
    private Channel<Request>? _waiting;
    private Task _answering = Task.CompletedTask;

    // Requests without an answer; only the loop raises it.
    private int _taken;
    private List<DesiredChange>? _held;
    private bool _isWatching;
    private long _toldVersion;

    /// <summary>Whether a further request must wait. For the loop, which alone adds.</summary>
    public bool IsFull => _waiting?.Reader.Count >= MaxWaiting;

    /// <summary>Completes when a further request has room.</summary>
    public async ValueTask WaitForRoomAsync(CancellationToken closing) =>
        await (_waiting?.Writer.WaitToWriteAsync(closing) ?? ValueTask.FromResult(true));

    /// <summary>Takes a request. The PUBACK of a patch leaves when the patch is durable.</summary>
    public void Take(in PublishIntent intent, in PublishPacket publish, long receivedAt)
    {
        // Never parsed: a GET is empty, or one blank (spec/device-mqtt.md 8, "GET").
        var isPatch = intent.Kind is PublishKind.TwinPatch;
        byte[]? payload = !isPatch ? [] : publish.Payload.Length > HubLimits.MaxTwinPatchBytes ? null : publish.Payload.ToArray();
        long? ticket = null;
        if (publish.Qos is 1)
        {
            ticket = acknowledgements.AddPending(publish.PacketId, receivedAt);
        }

        var request = new Request(intent.RequestId.ToArray(), isPatch, payload, intent.ExpectedVersion, ticket, receivedAt);
        if (Volatile.Read(ref _taken) > 0)
        {
            // Made before the request is counted: who answers reads from it then.
            _waiting ??= Channel.CreateBounded<Request>(new BoundedChannelOptions(MaxWaiting) { SingleReader = true, SingleWriter = true });
        }

        if (Interlocked.Increment(ref _taken) is 1)
        {
            _answering = AnswerAsync(request); // Comes back when it has to wait, for SQL usually.
            return;
        }

        _waiting!.Writer.TryWrite(request); // Another was there before; there is room, the loop has asked.
    }

    /// <summary>
    /// Begins or ends to watch as the client is subscribed now. What changes from here on is held until
    /// <see cref="Open"/>: the SUBACK goes first.
    /// </summary>
    public async ValueTask FollowSubscriptionsAsync()
    {
        var watches = subscriptions.Has(MqttFeeds.DesiredProperties);
        if (watches == _isWatching)
        {
            return;
        }

        _isWatching = watches;
        if (!watches)
        {
            await session.UnwatchDesiredAsync();
            return;
        }

        lock (_order)
        {
            _held ??= [];
        }

        _channel.OnDesiredChanged = OnDesiredChanged;
        await session.WatchDesiredAsync();
    }

    /// <summary>What was held goes out.</summary>
    public void Open()
    {
        lock (_order)
        {
            foreach (var change in _held ?? [])
            {
                Tell(change);
            }

            _held = null;
        }
    }

    /// <summary>The connection is over: patches that were taken are still made durable.</summary>
    public async ValueTask CompleteAsync(CancellationToken deadline)
    {
        await _answering.WaitAsync(deadline);
    }

    // In the actor's turn: must return at once and call nobody back.
    private void OnDesiredChanged(DesiredChange change)
    {
        lock (_order)
        {
            if (_held is { } held)
            {
                held.Add(change);
                return;
            }

            Tell(change);
        }

        _writer.Flush();
        if (_writer.UnsentBytes > MaxUnsentBytes)
        {
            _channel.Close(CloseReason.Throttled);
        }
    }

    // spec/device-mqtt.md 8, "Desired notifications": QoS 0, to a subscribed client only.
    private void Tell(DesiredChange change)
    {
        if (subscriptions.Has(MqttFeeds.DesiredProperties))
        {
            _toldVersion = change.Version;
            _writer.Publish(TwinAnswers.DesiredTopic(change.Version), change.Json);
        }
    }

    // One at a time: whoever takes the first request answers, and all that come meanwhile.
    private async Task AnswerAsync(Request request)
    {
        try
        {
            while (true)
            {
                if (await PassAsync(request) is { } throttled)
                {
                    Refuse(request, throttled);
                    Acknowledge(request);
                }
                else if (request.IsPatch)
                {
                    Answer(request, await PatchAsync(request));
                }
                else
                {
                    await GetAsync(request);
                }

                _writer.Flush();
                if (Interlocked.Decrement(ref _taken) is 0)
                {
                    return;
                }

                request = await _waiting!.Reader.ReadAsync(CancellationToken.None); // Counted, so there or about to be.
            }
        }
        catch (Exception e) // A broken promise of ours costs this connection and is told.
        {
            signals.Failed(peer, e);
            _channel.Close(CloseReason.InternalError);
        }
    }

    private ValueTask<HubFailure?> PassAsync(Request request)
    {
        var pass = session.PassAsync(
            request.IsPatch ? Metered.TwinUpdates : Metered.TwinReads, _channel.Closing, time.GetElapsedTime(request.ReceivedAt));
        return pass.IsCompletedSuccessfully ? pass : OutlastAsync(pass); // Where nothing limits, no state machine is needed.
    }

    private static async ValueTask<HubFailure?> OutlastAsync(ValueTask<HubFailure?> pass)
    {
        try
        {
            return await pass;
        }
        catch (OperationCanceledException)
        {
            return null; // The connection ends: what was taken is done now, for the end waits for it.
        }
    }

    private async ValueTask GetAsync(Request request)
    {
        while (!TryAnswer(request, await session.GetTwinAsync(CancellationToken.None)))
        {
            // A change has overtaken the answer: read again.
        }

        Acknowledge(request);
    }

    private bool TryAnswer(Request request, DeviceTwin? twin)
    {
        lock (_order)
        {
            if (twin is null)
            {
                Refuse(request, HubFailures.DeviceNotFound);
                return true;
            }

            if (twin.DesiredVersion < _toldVersion)
            {
                return false;
            }

            Publish(TwinAnswers.Topic(200, request.Id), twin.Json);
            return true;
        }
    }

    private ValueTask<ReportedOutcome> PatchAsync(Request request) =>
        request.Patch is { } patch ? session.PatchReportedAsync(patch, request.ExpectedVersion) : new(HubFailures.MessageTooLarge);

    private void Answer(Request request, ReportedOutcome outcome)
    {
        if (outcome.Failure is not { } failure)
        {
            Publish(TwinAnswers.PatchedTopic(request.Id, outcome.Version), ReadOnlyMemory<byte>.Empty);
            Acknowledge(request);
            return;
        }

        Refuse(request, failure);
        if (failure.Code is HubErrorCode.ServiceUnavailable && request.Ticket is not null)
        {
            _channel.Close(CloseReason.InternalError); // Not durable, so no PUBACK, and what follows it must wait for ever.
            return;
        }

        Acknowledge(request);
    }

    private void Refuse(Request request, HubFailure failure) =>
        Publish(TwinAnswers.Topic(failure.HttpStatus, request.Id), FailureBody.Write(failure, peer.ConnectionId, time.GetUtcNow()));

    // spec/device-mqtt.md 8: without a subscription the answer is dropped. QoS 0 whatever was granted.
    private void Publish(byte[] topic, ReadOnlyMemory<byte> body)
    {
        if (subscriptions.Has(MqttFeeds.TwinResponses))
        {
            _writer.Publish(topic, body);
        }
    }

    private void Acknowledge(Request request)
    {
        if (request.Ticket is { } ticket)
        {
            acknowledgements.Complete(ticket);
        }
    }

    private sealed record Request(byte[] Id, bool IsPatch, byte[]? Patch, long? ExpectedVersion, long? Ticket, long ReceivedAt);
}
