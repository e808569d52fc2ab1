namespace Nave.Bench.Scenarios;

/// <summary>A server that a scenario measures. Each run gets a fresh process of it.</summary>
internal interface IPeer
{
    string Name { get; }

    /// <summary>Finds or installs what it needs and says which version it is. Called once, before the first run.</summary>
    Task<string> PrepareAsync(PeerSetting setting, CancellationToken stopping);

    /// <summary>Starts a fresh process and returns when it serves.</summary>
    Task<RunningPeer> StartAsync(PeerSetting setting, CancellationToken stopping);
}

/// <param name="Directory">Where peers may write; on the disk under test.</param>
/// <param name="Devices">How many connections must be able to authenticate.</param>
/// <param name="MayInstall">Whether packages may be installed.</param>
internal sealed record PeerSetting(string Directory, int Devices, bool Tls, bool MayInstall, TimeProvider Time);

/// <summary>A serving process and how the generator reaches it. Disposing stops it.</summary>
internal sealed class RunningPeer(ChildProcess process, int port) : IAsyncDisposable
{
    private ChildProcess? _other;

    public int ProcessId { get; init; } = process.Id;

    public int Port => port;

    /// <summary>What a hub says of itself; null for other servers.</summary>
    public HubConnection? Hub { get; init; }

    public bool HasExited => process.HasExited;

    public string LastErrors => process.LastErrors;

    /// <summary>What the generator needs beyond host and port: TLS, credentials.</summary>
    public IReadOnlyList<string> LoadArguments { get; init; } = [];

    /// <summary>The same with another process that ends after it.</summary>
    public RunningPeer With(ChildProcess other)
    {
        _other = other;
        return this;
    }

    public async ValueTask DisposeAsync()
    {
        await process.DisposeAsync();
        if (_other is { } other)
        {
            await other.DisposeAsync();
        }
    }
}

/// <summary>A peer could not be had or did not start; the message says what to do.</summary>
internal sealed class PeerUnavailableException(string message) : Exception(message);
