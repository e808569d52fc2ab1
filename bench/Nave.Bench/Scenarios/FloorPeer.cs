namespace Nave.Bench.Scenarios;

/// <summary>The bare loop. Always plain TCP.</summary>
internal sealed class FloorPeer() : OwnPeer(PeerName)
{
    public const string PeerName = "floor";

    protected override bool HasTls => false;

    public override Task<string> PrepareAsync(PeerSetting setting, CancellationToken stopping) =>
        Task.FromResult($"bare loop, .NET {Environment.Version}");
}
