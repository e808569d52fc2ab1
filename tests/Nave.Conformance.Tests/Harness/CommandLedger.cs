namespace Nave.Conformance.Tests.Harness;

/// <summary>
/// What became of every command that a kill test has sent: what the hub may never do is deliver one again whose completion
/// it had confirmed, or lose one that it had accepted. Any thread may call.
/// </summary>
internal sealed class CommandLedger
{
    private readonly Lock _gate = new();
    private readonly HashSet<string> _accepted = [];
    private readonly HashSet<string> _delivered = [];
    private readonly Dictionary<string, string> _confirmed = [];
    private readonly List<string> _repeated = [];
    private readonly List<(Func<bool> IsMet, TaskCompletionSource Reached)> _goals = [];

    public int Accepted => Count(_accepted);

    /// <summary>Completions that the hub has confirmed, by how it did first.</summary>
    public int CountConfirmed(string? how = null)
    {
        lock (_gate)
        {
            return how is null ? _confirmed.Count : _confirmed.Values.Count(value => value == how);
        }
    }

    /// <summary>Commands that were delivered again after their completion had been confirmed, and by what.</summary>
    public IReadOnlyList<string> Repeated
    {
        get
        {
            lock (_gate)
            {
                return [.. _repeated];
            }
        }
    }

    /// <summary>Accepted commands that nobody has got yet.</summary>
    public IReadOnlyList<string> Missing
    {
        get
        {
            lock (_gate)
            {
                return [.. _accepted.Except(_delivered)];
            }
        }
    }

    /// <summary>The hub has answered the sender.</summary>
    public void HasAccepted(string command) => Change(() => _accepted.Add(command));

    /// <summary>The device has it.</summary>
    public void HasDelivered(string command) => Change(() =>
    {
        _delivered.Add(command);
        if (_confirmed.TryGetValue(command, out var how))
        {
            _repeated.Add($"{command} after {how}");
        }
    });

    /// <summary>The hub has said that it is complete.</summary>
    public void HasConfirmed(string command, string how) => Change(() => _confirmed.TryAdd(command, how));

    /// <summary>Completes when the condition is met; asked after each change.</summary>
    public Task ReachAsync(Func<bool> isMet)
    {
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Change(() => _goals.Add((isMet, reached)));
        return reached.Task;
    }

    private int Count(HashSet<string> commands)
    {
        lock (_gate)
        {
            return commands.Count;
        }
    }

    private void Change(Action change)
    {
        lock (_gate)
        {
            change();
            foreach (var goal in _goals.Where(goal => goal.IsMet()).ToList())
            {
                goal.Reached.TrySetResult();
                _goals.Remove(goal);
            }
        }
    }
}
