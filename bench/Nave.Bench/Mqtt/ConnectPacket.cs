using System.Buffers.Binary;
using System.Text;

namespace Nave.Bench.Mqtt;

/// <summary>Writes the CONNECT of MQTT 3.1.1 (section 3.1), with a clean session.</summary>
internal static class ConnectPacket
{
    private const byte CleanSession = 0x02;
    private const byte HasPassword = 0x40;
    private const byte HasUserName = 0x80;

    public static byte[] Encode(string clientId, string? userName, string? password, ushort keepAliveSeconds)
    {
        var body = new List<byte>(256);
        AddText(body, "MQTT");
        body.Add(4); // Protocol level of 3.1.1.
        body.Add((byte)(CleanSession
            | (userName is null ? 0 : HasUserName)
            | (password is null ? 0 : HasPassword)));
        body.Add((byte)(keepAliveSeconds >> 8));
        body.Add((byte)keepAliveSeconds);
        AddText(body, clientId);
        if (userName is not null)
        {
            AddText(body, userName);
        }

        if (password is not null)
        {
            AddText(body, password);
        }

        return [0x10, .. RemainingLength.Encode(body.Count), .. body];
    }

    private static void AddText(List<byte> body, string text)
    {
        var bytes = new byte[2 + Encoding.UTF8.GetByteCount(text)];
        BinaryPrimitives.WriteUInt16BigEndian(bytes, checked((ushort)(bytes.Length - 2)));
        Encoding.UTF8.GetBytes(text, bytes.AsSpan(2));
        body.AddRange(bytes);
    }
}
