using System.Globalization;

namespace Nave.Bench.Scenarios;

/// <summary>The bare loop, as a process of its own. Always plain TCP.</summary>
internal sealed class FloorPeer : IPeer
{
    public const string PeerName = "floor";

    public string Name => PeerName;

    public Task<string> PrepareAsync(PeerSetting setting, CancellationToken stopping) =>
        Task.FromResult($"bare loop, .NET {Environment.Version}");

    public async Task<RunningPeer> StartAsync(PeerSetting setting, CancellationToken stopping)
    {
        var process = ChildProcess.StartOwn("floor");
        var endPoint = await process.Output.ReadLineAsync(stopping);
        return endPoint is null
            ? throw new PeerUnavailableException($"the floor did not start: {process.LastErrors}")
            : new RunningPeer(process, int.Parse(endPoint.AsSpan(endPoint.LastIndexOf(':') + 1), CultureInfo.InvariantCulture));
    }
}
