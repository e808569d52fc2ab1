using System.Globalization;

namespace Nave.Bench.Scenarios;

/// <summary>A server that is a role of this very program, as a process of its own: its first line of output ends with its port.</summary>
internal abstract class OwnPeer(string name) : IPeer
{
    public string Name => name;

    /// <summary>False for a server that stays plain whatever was asked for.</summary>
    protected virtual bool HasTls => true;

    public abstract Task<string> PrepareAsync(PeerSetting setting, CancellationToken stopping);

    public async Task<RunningPeer> StartAsync(PeerSetting setting, CancellationToken stopping)
    {
        var certificate = setting.Tls && HasTls ? PeerCertificate.Ensure(setting.Directory) : null;
        var process = ChildProcess.StartOwnServer([name, .. certificate?.ServerArguments ?? []]);
        var endPoint = await process.Output.ReadLineAsync(stopping);
        if (endPoint is null)
        {
            await process.DisposeAsync();
            throw new PeerUnavailableException($"{name} did not start: {process.LastErrors}");
        }

        return new RunningPeer(process, int.Parse(endPoint.AsSpan(endPoint.LastIndexOf(':') + 1), CultureInfo.InvariantCulture))
        {
            LoadArguments = certificate?.LoadArguments ?? [],
        };
    }
}
