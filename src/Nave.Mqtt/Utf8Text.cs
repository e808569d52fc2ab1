using System.Text;
using System.Text.Unicode;

namespace Nave.Mqtt;

/// <summary>What MQTT calls a UTF-8 encoded string (1.5.3).</summary>
internal static class Utf8Text
{
    /// <summary>Refuses lone surrogates instead of sending a replacement.</summary>
    public static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public static void Check(ReadOnlySpan<byte> text)
    {
        if (text.Contains((byte)0))
        {
            throw new MalformedPacketException(MqttRule.Utf8Null);
        }

        if (!Utf8.IsValid(text))
        {
            throw new MalformedPacketException(MqttRule.Utf8);
        }
    }
}
