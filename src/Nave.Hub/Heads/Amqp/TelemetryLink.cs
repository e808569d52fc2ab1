using System.Buffers;
using Amqp;
using Amqp.Framing;
using Amqp.Listener;
using Nave.EventLog;
using Nave.Hub.Faults;
using Nave.Hub.Telemetry;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// The link on which a device or module sends telemetry (spec/device-amqp.md 5). Each transfer has one outcome: accepted
/// when all its events are durable, rejected with why not. Credit counts what is in hand, so that a device cannot have
/// more than the window unanswered.
/// </summary>
internal sealed class TelemetryLink(LinkRequest request, ConnectedDevice device, ConnectionDevices devices) : IDeviceLink
{
    /// <summary>Announced at attach (spec/device-amqp.md 4.2). What is larger than an event may be is rejected one by one.</summary>
    public const int MaxMessageBytes = 1_048_576;

    // Transfers without an outcome; at least 100, replenished at half (spec/device-amqp.md 4.2).
    private const int Window = 200;

    // Of a transfer none of whose events is in the log yet.
    private static readonly LogPosition Nowhere = new(long.MinValue);

    private readonly AmqpConnection _connection = request.Connection;
    private readonly ListenerLink _link = request.Link;
    private int _inHand;
    private int _answered;
    private volatile bool _isClosed;

    /// <summary>Accepts the link. It lives on its device from then on.</summary>
    public void Accept()
    {
        request.AcceptReceiver(Window, MaxMessageBytes, OnMessage);
        LinkInternals.RestoresCredit(_link) = false;
        if (!device.TryJoin(this))
        {
            Detach(device.Error);
        }

        _link.AddClosedCallback((_, _) => OnClosed());
    }

    /// <inheritdoc/>
    public Session Session => request.Session;

    /// <inheritdoc/>
    public bool EndsWith(FaultKind fault) => fault is FaultKind.KillAmqpD2CLink;

    /// <inheritdoc/>
    public void Detach(Error error)
    {
        _isClosed = true;
        AmqpConnection.CloseQuietly(_link, error);
    }

    /// <summary>Gives a transfer its outcome and, now and then, the sender more credit. Any thread.</summary>
    /// <param name="message">The delivery.</param>
    /// <param name="failure">Why it is rejected; null accepts.</param>
    public void Answer(Message message, HubFailure? failure)
    {
        try
        {
            _link.DisposeMessage(message, failure is null ? new Accepted() : new Rejected { Error = LinkRequest.ToError(failure) }, settled: true);
            var inHand = Interlocked.Decrement(ref _inHand);
            if (Interlocked.Increment(ref _answered) % (Window / 2) == 0 && !_isClosed)
            {
                _link.SetCredit(Window - inHand, drain: false, autoRestore: false);
            }
        }
        catch (Exception e) when (AmqpConnection.IsEngineClosed(e))
        {
            // The link went first: the device sends again what it had no outcome for.
        }

        message.Dispose();
    }

    private void OnClosed()
    {
        _isClosed = true;
        device.Leave(this);
    }

    private void OnMessage(ListenerLink link, Message message)
    {
        Interlocked.Increment(ref _inHand);
        if (_isClosed || _connection.IsAborted)
        {
            Answer(message, HubFailures.Unavailable); // Nobody waits for it.
            return;
        }

        var outcome = TelemetryReader.Read((RawMessage)message, device.Id);
        if (!outcome.TryGet(out var items, out var failure))
        {
            device.Session!.RefusedTelemetry(failure); // Open before its first link.
            Answer(message, failure);
            return;
        }

        if (!device.Sending.IsCompletedSuccessfully)
        {
            Park(AppendAfterAsync(device.Sending, message, KeptFrom(items)), items);
            return;
        }

        var mark = devices.Acks.Mark();
        if (TryAppend(message, items, mark, next: 0, Nowhere, out var waiting))
        {
            return;
        }

        if (device.Session!.IsHeldBack)
        {
            Park(AppendRestAsync(message, KeptFrom(items), mark, waiting.Next, waiting.Last), items);
        }
        else
        {
            // The open batch is full, for everybody: this connection reads on when there is room.
            _connection.PauseReading(AppendRestAsync(message, items, mark, waiting.Next, waiting.Last));
        }
    }

    // The device's own limits hold back this device, and not what others send on the connection.
    private void Park(Task sending, TelemetryItem[] items)
    {
        if (device.Park(sending, items.Sum(item => item.Body.Length + item.Properties.CountedBytes)) || sending.IsFaulted)
        {
            _connection.PauseReading(sending); // More than is kept for one device, or the end of the connection.
        }
    }

    // The transfer's buffer is the engine's again when the call returns. In place: the transfer is one for the session's meter.
    private static TelemetryItem[] KeptFrom(TelemetryItem[] items)
    {
        for (var i = 0; i < items.Length; i++)
        {
            items[i] = items[i] with { Body = new ReadOnlySequence<byte>(items[i].Body.ToArray()) };
        }

        return items;
    }

    private async Task AppendAfterAsync(Task before, Message message, TelemetryItem[] items)
    {
        await before;
        if (_isClosed || _connection.IsAborted)
        {
            Answer(message, HubFailures.Unavailable); // Nobody waits for it.
            return;
        }

        var mark = devices.Acks.Mark();
        if (!TryAppend(message, items, mark, next: 0, Nowhere, out var waiting))
        {
            await AppendRestAsync(message, items, mark, waiting.Next, waiting.Last);
        }
    }

    /// <summary>Appends from the given item on; false when the log has no room, with the place to go on from.</summary>
    private bool TryAppend(
        Message message, TelemetryItem[] items, int mark, int next, LogPosition last, out (int Next, LogPosition Last) waiting)
    {
        if (next == 0 && device.Session!.TryAdmit(items) is { } throttled)
        {
            waiting = default;
            Answer(message, throttled);
            return true;
        }

        for (; next < items.Length; next++)
        {
            var result = device.Session!.TrySendTelemetry(items[next].Properties, items[next].Body, devices.Acks);
            if (result.Outcome is AppendOutcome.Full)
            {
                waiting = (next, last);
                return false;
            }

            if (result.Outcome is AppendOutcome.Refused)
            {
                waiting = default;
                Answer(message, result.Failure ?? HubFailures.Unavailable);
                return true;
            }

            last = result.Position > last ? result.Position : last; // The last item may be one that goes nowhere.
        }

        waiting = default;
        devices.Acks.Add(this, message, last, mark);
        return true;
    }

    private async Task AppendRestAsync(Message message, TelemetryItem[] items, int mark, int next, LogPosition last)
    {
        try
        {
            while (true)
            {
                await device.Session!.WaitForRoomAsync(devices.Closed);
                if (_isClosed)
                {
                    Answer(message, HubFailures.Unavailable); // Nor is anything stored of a device that has lost its access.
                    return;
                }

                if (TryAppend(message, items, mark, next, last, out var waiting))
                {
                    return;
                }

                (next, last) = waiting;
            }
        }
        catch (OperationCanceledException)
        {
            // The connection has ended; the device sends again.
        }
    }
}
