using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Amqp;
using Amqp.Framing;
using Amqp.Listener;
using Microsoft.Extensions.Logging;
using Nave.Hub.Commands;
using Nave.Hub.Faults;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// The link on which a device gets its commands (spec/device-amqp.md 6). Its credit is the grant that lets commands flow;
/// a delivery's tag is the lock's token; what the device says of a delivery settles the lock.
/// </summary>
/// <remarks>
/// One loop grants and settles, one step after the other, so that a grant is never older than one before it. Deliveries
/// come from the actor's turn, on any thread, and never wait.
/// </remarks>
[SuppressMessage("Design", "CA1001", Justification = "The loop disposes of the source when it ends.")]
internal sealed partial class CommandsLink(LinkRequest request, ConnectedDevice device, TimeSpan lockDuration, ILogger logger)
    : OutgoingLink(request), IDeviceLink
{
    private readonly LinkRequest _request = request;
    private readonly ConcurrentQueue<DeviceOutcome> _outcomes = new();
    private long _returned;
    private volatile bool _isOver;

    /// <inheritdoc/>
    public bool EndsWith(FaultKind fault) => fault is FaultKind.KillAmqpC2DLink;

    /// <summary>Accepts the link. It lives on its device from then on.</summary>
    public void Accept()
    {
        // Commands are never sent settled: what is lost on the way would be lost for good (spec/device-amqp.md 6).
        _request.AcceptSender(this, _request.Attach.Source as Source, isSettledAllowed: false);
        if (!device.TryJoin(this))
        {
            Detach(device.Error);
        }

        // Told before the engine reports what was unsettled as released: that is no word of the device's.
        Link.AddClosedCallback((_, _) =>
        {
            _isOver = true;
            Wake();
        });
        device.ExchangeCommands(null)?.Detach(LinkRequest.ToError(HubFailures.TakenOver));
        device.CommandsTail = RunAsync(device.CommandsTail);
    }

    /// <summary>Sends a command; false when there is no credit any more or the link is gone. Never waits.</summary>
    public bool TryDeliver(CommandDelivery delivery)
    {
        if (!_isOver && TrySend(CommandMessage.Write, delivery, delivery.LockToken.ToByteArray()))
        {
            return true;
        }

        Interlocked.Increment(ref _returned);
        Wake();
        return false;
    }

    /// <inheritdoc/>
    protected override void OnOutcome(DispositionContext outcome, byte[]? tag)
    {
        if (!_isOver && tag is not null && outcome.DeliveryState is null or global::Amqp.Framing.Outcome)
        {
            _outcomes.Enqueue(new DeviceOutcome(new Guid(tag), outcome.DeliveryState, outcome.Message, outcome.Settled));
            Wake();
        }
    }

    /// <inheritdoc/>
    protected override void OnClosed()
    {
        _isOver = true;
        Wake();
        device.Leave(this);
    }

    /// <summary>What the device's word means (spec/device-amqp.md 6).</summary>
    public static Settlement ToSettlement(DeliveryState? state) => state switch
    {
        Accepted => Settlement.Complete,
        Rejected or Modified { UndeliverableHere: true } => Settlement.Reject,
        _ => Settlement.Abandon,
    };

    private async Task RunAsync(Task previous)
    {
        try
        {
            await previous;
            device.ExchangeCommands(this);
            await GrantAndSettleAsync();
        }
        catch (IOException) when (IsClosed)
        {
            // The hub stops, and the database before this link has heard of it: what was not settled comes again after the start.
        }
        catch (Exception e)
        {
            // Most likely a database that takes nothing. The device attaches anew, and what it had goes back to the queue.
            Log.Failed(logger, e, device.Id.ToString());
            ((IDeviceLink)this).Detach(LinkRequest.ToError(HubFailures.ServerError));
        }

        device.ReleaseCommands(this);
        try
        {
            await device.Session!.StopCommandsAsync();
        }
        catch (Exception e)
        {
            Log.Failed(logger, e, device.Id.ToString());
        }
    }

    private async Task GrantAndSettleAsync()
    {
        var granted = -1L;
        while (!_isOver && !IsClosed)
        {
            await SettleAsync();
            var allowed = CountAllowed() + Interlocked.Read(ref _returned);
            if (allowed != granted)
            {
                granted = allowed;
                await device.Session!.GrantCommandsAsync(new CommandGrant(allowed, lockDuration));
                continue;
            }

            if (IsDraining)
            {
                // The grant has brought what there was.
                MarkCaughtUp();
                MarkReading();
            }

            await WaitForDemandAsync(CancellationToken.None);
        }

        await SettleAsync(); // What it said before it left.
    }

    private async Task SettleAsync()
    {
        while (_outcomes.TryDequeue(out var outcome))
        {
            var failure = await device.Session!.SettleCommandAsync(outcome.LockToken, ToSettlement(outcome.State));
            if (outcome.IsSettled || _isOver)
            {
                continue;
            }

            // A receiver that settles second waits for our word: its own outcome, or that it came too late.
            DeliveryState answer = failure is null ? outcome.State ?? new Accepted() : new Rejected { Error = LinkRequest.ToError(failure) };
            try
            {
                Link.DisposeMessage(outcome.Message, answer, settled: true);
            }
            catch (Exception e) when (AmqpConnection.IsEngineClosed(e))
            {
                return;
            }
        }
    }

    private readonly record struct DeviceOutcome(Guid LockToken, DeliveryState? State, Message Message, bool IsSettled);

    private static partial class Log
    {
        [LoggerMessage(2234, LogLevel.Warning, "Commands for {DeviceId} over AMQP stopped; the device may attach again")]
        public static partial void Failed(ILogger logger, Exception exception, string deviceId);
    }
}
