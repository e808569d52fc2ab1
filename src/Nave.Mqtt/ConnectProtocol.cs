namespace Nave.Mqtt;

/// <summary>
/// The first two fields of CONNECT, which every version has. Read them before the rest: a server answers a level it
/// does not speak with CONNACK 1 (MQTT-3.1.2-2), whatever follows.
/// </summary>
/// <param name="Name">"MQTT"; 3.1 said "MQIsdp". Chosen by a stranger.</param>
/// <param name="Level">3, 4 or 5, or anything else.</param>
public readonly record struct ConnectProtocol(string Name, byte Level)
{
    private const string Mqtt = "MQTT";

    /// <summary>Whether <see cref="ConnectPacket.Read"/> can read the rest.</summary>
    public bool IsSupported => Name is Mqtt && Level is (byte)MqttVersion.V311 or (byte)MqttVersion.V5;

    /// <summary>Reads name and level and looks no further.</summary>
    /// <exception cref="MalformedPacketException">The packet ends before them, or the name is no text.</exception>
    public static ConnectProtocol Read(in MqttFrame frame)
    {
        frame.Expect(PacketType.Connect, MqttVersion.V311);
        var reader = new BodyReader(frame.ContiguousBody);
        return Read(ref reader);
    }

    internal static ConnectProtocol Read(ref BodyReader reader)
    {
        var name = reader.ReadUtf8();
        return new ConnectProtocol(
            name.SequenceEqual("MQTT"u8) ? Mqtt : Utf8Text.Strict.GetString(name), reader.ReadByte());
    }
}
