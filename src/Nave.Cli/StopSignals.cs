using System.Runtime.InteropServices;

namespace Nave.Cli;

/// <summary>SIGINT and SIGTERM as a token: the first one asks for a stop, a second one ends the process at once.</summary>
internal sealed class StopSignals : IDisposable
{
    private readonly CancellationTokenSource _asked = new();
    private readonly PosixSignalRegistration[] _registrations;

    public StopSignals()
    {
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle),
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle),
        ];
    }

    /// <summary>Cancelled once a stop was asked for.</summary>
    public CancellationToken Asked => _asked.Token;

    /// <summary>Completes when a stop is asked for; never throws.</summary>
    public static async Task WaitAsync(CancellationToken asked)
    {
        var stop = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using (asked.Register(stop.SetResult))
        {
            await stop.Task;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var registration in _registrations)
        {
            registration.Dispose();
        }

        _asked.Dispose();
    }

    private void Handle(PosixSignalContext context)
    {
        context.Cancel = !_asked.IsCancellationRequested;
        _asked.Cancel();
    }
}
