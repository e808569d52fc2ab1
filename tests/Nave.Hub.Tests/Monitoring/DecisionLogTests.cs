using System.Net;
using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Monitoring;

namespace Nave.Hub.Tests.Monitoring;

public sealed class DecisionLogTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly DecisionLog _log;

    public DecisionLogTests() => _log = new DecisionLog(name => name.StartsWith("known", StringComparison.Ordinal), _time);

    [Fact]
    public void The_same_decision_again_is_one_with_a_count_and_the_newest()
    {
        Add(DecisionKind.Admitted, "known", "by token");
        Add(DecisionKind.Connected, "known", "over Mqtt");
        Add(DecisionKind.Admitted, "known", "by token");

        Assert.Equal(
            [("by token", 2L, TimeSpan.FromSeconds(2)), ("over Mqtt", 1L, TimeSpan.Zero)],
            _log.About("known").Select(decision => (decision.Explanation, decision.Count, decision.LastAt - decision.FirstAt)));
    }

    [Fact]
    public void A_subject_keeps_the_last_six_of_each_sort_and_refusals_evict_no_successes()
    {
        Add(DecisionKind.Admitted, "known", "by token");
        for (var i = 0; i < 8; i++)
        {
            Add(DecisionKind.Refused, "known", $"refused {i}");
        }

        Assert.Equal(
            ["refused 7", "refused 6", "refused 5", "refused 4", "refused 3", "refused 2", "by token"],
            _log.About("known").Select(decision => decision.Explanation));
    }

    [Fact]
    public void The_stranger_that_was_longest_without_a_decision_makes_room()
    {
        for (var i = 0; i < DecisionLog.MaxStrangers; i++)
        {
            Add(DecisionKind.Refused, $"stranger {i}", "no");
        }

        Add(DecisionKind.Refused, "stranger 0", "no"); // Heard of again: the next in line goes.
        Add(DecisionKind.Refused, "one more", "no");

        Assert.Single(_log.About("stranger 0"));
        Assert.Empty(_log.About("stranger 1"));
        Assert.Single(_log.About("stranger 2"));
        Assert.Single(_log.About("one more"));
    }

    [Fact]
    public void Decisions_are_found_by_their_address_however_it_is_written()
    {
        var address = IPAddress.Parse("127.0.0.7");
        _log.Add(new Decision(DecisionKind.Admitted, "known", address.MapToIPv6(), null, "by token"));

        Assert.Single(_log.From(address));
        Assert.Empty(_log.From(IPAddress.Loopback));
    }

    private void Add(DecisionKind kind, string device, string explanation)
    {
        _log.Add(new Decision(kind, device, null, null, explanation));
        _time.Advance(TimeSpan.FromSeconds(1));
    }
}
