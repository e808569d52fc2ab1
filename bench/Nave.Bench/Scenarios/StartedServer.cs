namespace Nave.Bench.Scenarios;

/// <summary>Starts a server that takes its port from outside and is ready when it accepts.</summary>
internal static class StartedServer
{
    private const int StartAttempts = 3; // Another process may take the free port that was found.

    /// <param name="name">For messages.</param>
    /// <param name="start">Starts the process for a port.</param>
    /// <param name="loadArguments">What the generator needs beyond host and port.</param>
    public static async Task<RunningPeer> StartAsync(
        string name, Func<int, Task<ChildProcess>> start, IReadOnlyList<string> loadArguments, TimeProvider time, CancellationToken stopping)
    {
        for (var attempt = 1; ; attempt++)
        {
            var port = Loopback.FreePort();
            var process = await start(port);
            process.DrainOutput();
            if (await Loopback.IsServedAsync(port, () => process.HasExited, time, stopping))
            {
                return new RunningPeer(process, port) { LoadArguments = loadArguments };
            }

            await process.DisposeAsync();
            if (attempt is StartAttempts)
            {
                throw new PeerUnavailableException($"{name} did not start: {process.LastErrors}");
            }
        }
    }
}
