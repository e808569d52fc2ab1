namespace Nave.Bench.Scenarios;

/// <summary>A bare connection handler under Kestrel (<see cref="Servers.KestrelCommand"/>): the floor on the transport that Nave uses.</summary>
internal sealed class KestrelPeer() : OwnPeer(PeerName)
{
    public const string PeerName = "kestrel";

    public override Task<string> PrepareAsync(PeerSetting setting, CancellationToken stopping) =>
        Task.FromResult($"bare handler, .NET {Environment.Version}");
}
