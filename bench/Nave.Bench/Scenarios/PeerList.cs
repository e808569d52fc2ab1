namespace Nave.Bench.Scenarios;

/// <summary>The peers that scenarios can name.</summary>
internal static class PeerList
{
    public const string All = "nave, nave-unsynced, mosquitto, mqttnet, aedes, rabbitmq, nats, kestrel, floor";

    public static IReadOnlyList<IPeer> Parse(string names, string? naveProgram) =>
        [.. names.Split(',', StringSplitOptions.TrimEntries).Select(name => Create(name, naveProgram))];

    /// <summary>Finds or installs them.</summary>
    /// <returns>Each one's version.</returns>
    public static async Task<IReadOnlyDictionary<string, string>> PrepareAsync(
        IReadOnlyList<IPeer> peers, PeerSetting setting, CancellationToken stopping)
    {
        var versions = new Dictionary<string, string>();
        foreach (var peer in peers)
        {
            versions[peer.Name] = await peer.PrepareAsync(setting, stopping);
        }

        return versions;
    }

    private static IPeer Create(string name, string? naveProgram) => name switch
    {
        NavePeer.PeerName => new NavePeer(naveProgram),
        NavePeer.UnsyncedName => new NavePeer(naveProgram, isUnsynced: true),
        FloorPeer.PeerName => new FloorPeer(),
        KestrelPeer.PeerName => new KestrelPeer(),
        MosquittoPeer.PeerName => new MosquittoPeer(),
        MqttNetPeer.PeerName => new MqttNetPeer(),
        AedesPeer.PeerName => new AedesPeer(),
        NatsPeer.PeerName => new NatsPeer(),
        RabbitPeer.PeerName => new RabbitPeer(),
        _ => throw new FormatException($"there is no peer \"{name}\": {All}"),
    };
}
