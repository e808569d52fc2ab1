using Nave.EventLog;

namespace Nave.TestKit;

/// <summary>Writes down what a log tells it.</summary>
public sealed class CountingWaiter : ICommitWaiter
{
    private readonly Lock _gate = new();
    private readonly List<LogPosition> _committed = [];
    private readonly List<(LogPosition Committed, LogFault Fault)> _failed = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public IReadOnlyList<LogPosition> Committed
    {
        get
        {
            lock (_gate)
            {
                return [.. _committed];
            }
        }
    }

    public IReadOnlyList<(LogPosition Committed, LogFault Fault)> Failed
    {
        get
        {
            lock (_gate)
            {
                return [.. _failed];
            }
        }
    }

    public void OnCommitted(LogPosition committed) => Note(() => _committed.Add(committed));

    public void OnFailed(LogPosition committed, LogFault fault) => Note(() => _failed.Add((committed, fault)));

    /// <summary>Completes when the log has told of this position.</summary>
    public async Task ReachedAsync(LogPosition position)
    {
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                if (_committed.Count > 0 && _committed[^1] >= position)
                {
                    return;
                }

                changed = _changed.Task;
            }

            await changed;
        }
    }

    /// <summary>Completes when the log has told of a failure.</summary>
    public async Task FailedAsync()
    {
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                if (_failed.Count > 0)
                {
                    return;
                }

                changed = _changed.Task;
            }

            await changed;
        }
    }

    private void Note(Action note)
    {
        TaskCompletionSource changed;
        lock (_gate)
        {
            note();
            changed = _changed;
            _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        changed.SetResult();
    }
}
