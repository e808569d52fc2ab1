using System.Collections.Concurrent;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Quotas;

/// <summary>
/// The hub's quota of the day and its limits by rate (spec/messaging-semantics.md 3): who does something asks for a turn
/// first, and what it cost is charged when that is known. Where nothing is configured everything passes. Any thread may call.
/// </summary>
internal sealed class HubMeter
{
    // One device's requests have this part of the waiting places.
    private const int Shares = 16;

    private readonly QuotaPlan _plan;
    private readonly TimeProvider _time;
    private readonly RateLimit?[] _limits;
    private readonly string _whyExhausted;

    // Requests of devices that wait now: never more than the limits' backlogs.
    private readonly ConcurrentDictionary<(Metered, IdentityId), int> _places = new();
    private long _exhaustedRefusals;

    public HubMeter(QuotaPlan plan, TimeProvider time)
    {
        _plan = plan;
        _time = time;
        _limits = [.. MeteredWords.All.Select(operation => plan.RateOf(operation) is { } rate
            ? new RateLimit(rate, operation is Metered.Connects ? TimeSpan.Zero : plan.MaxDelay, operation is Metered.Connects ? 0 : plan.Backlog, time)
            : null)];
        if (plan.IsOn)
        {
            Daily = new DailyQuota(plan.DailyUnits, time);
        }

        _whyExhausted = $"the {plan.DailyUnits} messages of the day are used up ({plan.Name}, Quota:DailyMessages); they come back at 00:00 UTC";
    }

    /// <summary>Raised when something was refused: what, to whom if that is known, why. Handlers return at once and do not throw.</summary>
    public event Action<Metered, IdentityId?, HubFailure>? Refused;

    /// <summary>Whether anything is limited at all.</summary>
    public bool IsOn => _plan.IsOn;

    /// <summary>The limits in force.</summary>
    public QuotaPlan Plan => _plan;

    /// <summary>The day's units; null when nothing is limited.</summary>
    public DailyQuota? Daily { get; }

    /// <summary>Refused for the day's units since the start.</summary>
    public long ExhaustedRefusals => Interlocked.Read(ref _exhaustedRefusals);

    /// <summary>An operation's limit; null for none.</summary>
    public RateLimit? LimitOf(Metered operation) => _limits[(int)operation];

    /// <summary>Gives a turn: now, later, or none. The caller waits.</summary>
    /// <param name="operation">What.</param>
    /// <param name="who">For the operator.</param>
    /// <param name="cost">1, but for methods.</param>
    /// <param name="waited">How long it has waited elsewhere.</param>
    public Turn Take(Metered operation, IdentityId? who, double cost = 1, TimeSpan waited = default)
    {
        if (FindExhausted(operation, who) is { } exhausted)
        {
            return new Turn(TimeSpan.Zero, exhausted);
        }

        if (_limits[(int)operation] is not { } limit)
        {
            return default;
        }

        var turn = limit.Take(cost, _plan.MaxDelay - waited);
        return turn.Failure is null ? turn : Refuse(operation, who, limit, turn);
    }

    private Turn Refuse(Metered operation, IdentityId? who, RateLimit limit, Turn turn)
    {
        // The detail is the same each time: a flood is one entry with a count. When to come again is the peer's only.
        var failure = turn.Failure!.Saying($"{turn.Failure.Message} The limit of {operation.Words()} is {limit.Rate}.")
            .Because($"over the limit of {operation.Words()}: {limit.Rate} ({_plan.Name}, {operation.Option()})");
        failure = failure with { RetryAfter = turn.Wait };
        Refused?.Invoke(operation, who, failure);
        return new Turn(turn.Wait, failure);
    }

    /// <summary>Completes when it is the caller's turn, with null, or with why not.</summary>
    /// <param name="operation">What.</param>
    /// <param name="who">For the operator; of what a device asks for, whose share of the waiting places it takes.</param>
    /// <param name="stopping">The caller waits no longer.</param>
    /// <param name="cost">1, but for methods.</param>
    /// <param name="waited">How long it has waited elsewhere.</param>
    /// <param name="keepsTurn">The caller does its work all the same when it waits no longer.</param>
    public ValueTask<HubFailure?> PassAsync(
        Metered operation, IdentityId? who, CancellationToken stopping, double cost = 1, TimeSpan waited = default, bool keepsTurn = false)
    {
        if (!IsOn)
        {
            return default;
        }

        var turn = Take(operation, who, cost, waited);
        return turn.Failure is { } failure ? new(failure)
            : turn.Wait == TimeSpan.Zero ? default
            : keepsTurn ? WaitAsync(turn.Wait, stopping)
            : WaitInPlaceAsync(operation, who, _limits[(int)operation]!, cost, turn.Wait, stopping); // Only a limit has one wait.
    }

    /// <summary>Completes when it is the turn of work that has all day; null, or why not.</summary>
    public async ValueTask<HubFailure?> PassPatientlyAsync(Metered operation, IdentityId who, CancellationToken stopping)
    {
        if (_limits[(int)operation]?.TakeAnyway(1) is { } wait && wait > TimeSpan.Zero)
        {
            await Task.Delay(wait, _time, stopping);
        }

        return FindExhausted(operation, who);
    }

    /// <summary>Units that so many bytes cost: one for each block that is begun, and one for nothing at all.</summary>
    public long UnitsOf(long bytes) => Math.Max(1, (bytes + _plan.BlockBytes - 1) / _plan.BlockBytes);

    /// <summary>Uses up what so many bytes cost.</summary>
    public void Charge(Metered operation, long bytes) => Daily?.Charge(operation, UnitsOf(bytes));

    private HubFailure? FindExhausted(Metered operation, IdentityId? who)
    {
        if (!operation.IsRefusedWithoutUnits() || Daily?.IsExhausted is not true)
        {
            return null;
        }

        Interlocked.Increment(ref _exhaustedRefusals);
        var failure = (operation is Metered.CommandSends ? HubFailures.QuotaExceededForService : HubFailures.QuotaExceeded).Because(_whyExhausted);
        Refused?.Invoke(operation, who, failure);
        return failure;
    }

    // A request is a waiting place that its peer can have many of, and leave: the turn then is another's.
    private async ValueTask<HubFailure?> WaitInPlaceAsync(
        Metered operation, IdentityId? who, RateLimit limit, double cost, TimeSpan wait, CancellationToken stopping)
    {
        var place = who is { } id && operation is (Metered.TelemetrySends or Metered.CommandReceives) ? (operation, id) : ((Metered, IdentityId)?)null;
        if (place is { } mine && _places.AddOrUpdate(mine, 1, static (_, count) => count + 1) > Math.Max(1, limit.Backlog / Shares))
        {
            Leave(mine);
            limit.GiveBack(cost, isRefused: true);
            return Refuse(operation, who, limit, new Turn(wait, HubFailures.Throttled)).Failure;
        }

        try
        {
            return await WaitAsync(wait, stopping);
        }
        catch (OperationCanceledException)
        {
            limit.GiveBack(cost);
            throw;
        }
        finally
        {
            if (place is { } left)
            {
                Leave(left);
            }
        }
    }

    private void Leave((Metered, IdentityId) place)
    {
        if (_places.AddOrUpdate(place, 0, static (_, count) => count - 1) <= 0)
        {
            _places.TryRemove(KeyValuePair.Create(place, 0));
        }
    }

    private async ValueTask<HubFailure?> WaitAsync(TimeSpan wait, CancellationToken stopping)
    {
        await Task.Delay(wait, _time, stopping);
        return null;
    }
}
