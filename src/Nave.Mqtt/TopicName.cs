using System.Buffers;
using System.Text.Unicode;

namespace Nave.Mqtt;

/// <summary>The topic a message is published to (MQTT 4.7): text of at least one character, no wildcards.</summary>
public static class TopicName
{
    private static readonly SearchValues<byte> Forbidden = SearchValues.Create("\0#+"u8);

    /// <summary>Null when the bytes are a topic name, otherwise the rule of <see cref="MqttRule"/> that they break.</summary>
    public static string? FindFault(ReadOnlySpan<byte> topic)
    {
        if (topic.IsEmpty)
        {
            return MqttRule.TopicEmpty;
        }

        if (topic.IndexOfAny(Forbidden) is var at and >= 0)
        {
            return topic[at] is 0 ? MqttRule.Utf8Null : MqttRule.TopicNameWildcard;
        }

        return Utf8.IsValid(topic) ? null : MqttRule.Utf8;
    }

    internal static void Check(ReadOnlySpan<byte> topic)
    {
        if (FindFault(topic) is { } rule)
        {
            throw new MalformedPacketException(rule);
        }
    }
}
