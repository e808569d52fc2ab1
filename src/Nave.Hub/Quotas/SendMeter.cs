using Nave.Hub.Telemetry;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Quotas;

/// <summary>
/// The turns of one session's messages. A message asks once, and keeps its turn while it waits for that or for room in the
/// log; it is charged when it gets one. One send at a time, as a session's head sends.
/// </summary>
internal sealed class SendMeter(HubMeter meter, IdentityId id, TimeProvider time)
{
    private IReadOnlyList<TelemetryItem>? _transfer;
    private int _admitted;
    private long _readyAt;
    private bool _isWaiting;

    /// <summary>Whether the next message waits for its turn.</summary>
    public bool IsWaiting => _isWaiting && time.GetTimestamp() < _readyAt;

    /// <summary>Asks for a message; null when it may go, <see cref="IsWaiting"/> when later.</summary>
    public HubFailure? TryAdmit(long bytes)
    {
        if (_admitted > 0)
        {
            return null;
        }

        return Admit(meter.UnitsOf(bytes), messages: 1);
    }

    /// <summary>Asks for the messages of a transfer at once: one send, and units for each (spec/device-http.md 3).</summary>
    public HubFailure? TryAdmit(IReadOnlyList<TelemetryItem> transfer)
    {
        if (ReferenceEquals(_transfer, transfer))
        {
            return null;
        }

        var failure = Admit(UnitsOf(transfer), transfer.Count);
        _transfer = failure is null ? transfer : null;
        return failure;
    }

    /// <summary>A message is stored or refused: the next one asks anew.</summary>
    public void Sent()
    {
        if (--_admitted <= 0)
        {
            (_admitted, _transfer, _isWaiting) = (0, null, false);
        }
    }

    /// <summary>Completes when it is the message's turn.</summary>
    public async ValueTask WaitAsync(CancellationToken stopping)
    {
        // Rounded up: a timer may fire a little early by the clock that is compared.
        if (IsWaiting)
        {
            await Task.Delay(time.GetElapsedTime(time.GetTimestamp(), _readyAt) + TimeSpan.FromMilliseconds(1), time, stopping);
        }
    }

    /// <summary>The same for messages that are sent and awaited together.</summary>
    public async ValueTask<HubFailure?> PassAsync(IReadOnlyList<TelemetryItem> items, CancellationToken stopping)
    {
        var failure = await meter.PassAsync(Metered.TelemetrySends, id, stopping);
        if (failure is null)
        {
            meter.Daily?.Charge(Metered.TelemetrySends, UnitsOf(items));
        }

        return failure;
    }

    private long UnitsOf(IReadOnlyList<TelemetryItem> items)
    {
        var units = 0L;
        for (var i = 0; i < items.Count; i++)
        {
            units += meter.UnitsOf(items[i].Body.Length + items[i].Properties.CountedBytes);
        }

        return units;
    }

    private HubFailure? Admit(long units, int messages)
    {
        var turn = meter.Take(Metered.TelemetrySends, id);
        if (turn.Failure is { } failure)
        {
            return failure;
        }

        meter.Daily?.Charge(Metered.TelemetrySends, units);
        _admitted = messages;
        _isWaiting = turn.Wait > TimeSpan.Zero;
        _readyAt = _isWaiting ? time.GetTimestamp() + (long)(turn.Wait.TotalSeconds * time.TimestampFrequency) : 0;
        return null;
    }
}
