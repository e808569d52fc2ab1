namespace Nave.Bench.Scenarios;

/// <summary>The peers that scenarios can name.</summary>
internal static class PeerList
{
    public const string Default = "mosquitto,floor";

    public static IReadOnlyList<IPeer> Parse(string names) => [.. names.Split(',', StringSplitOptions.TrimEntries).Select(Create)];

    private static IPeer Create(string name) => name switch
    {
        FloorPeer.PeerName => new FloorPeer(),
        MosquittoPeer.PeerName => new MosquittoPeer(),
        _ => throw new FormatException($"there is no peer \"{name}\": {Default}"),
    };
}
