namespace Nave.Bench.Scenarios;

/// <summary>The peers that scenarios can name.</summary>
internal static class PeerList
{
    public const string Default = "nave,mosquitto,floor";

    public static IReadOnlyList<IPeer> Parse(string names, string? naveProgram) =>
        [.. names.Split(',', StringSplitOptions.TrimEntries).Select(name => Create(name, naveProgram))];

    private static IPeer Create(string name, string? naveProgram) => name switch
    {
        NavePeer.PeerName => new NavePeer(naveProgram),
        FloorPeer.PeerName => new FloorPeer(),
        MosquittoPeer.PeerName => new MosquittoPeer(),
        _ => throw new FormatException($"there is no peer \"{name}\": {Default}"),
    };
}
