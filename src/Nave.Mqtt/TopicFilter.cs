using System.Text.Unicode;

namespace Nave.Mqtt;

/// <summary>What a client subscribes to (MQTT 4.7): a topic name whose levels may be wildcards.</summary>
public static class TopicFilter
{
    private static ReadOnlySpan<byte> SharePrefix => "$share/"u8;

    /// <summary>Null when the bytes are a filter, otherwise the rule of <see cref="MqttRule"/> that they break.</summary>
    public static string? FindFault(ReadOnlySpan<byte> filter, MqttVersion version)
    {
        if (filter.IsEmpty)
        {
            return MqttRule.TopicEmpty;
        }

        if (filter.Contains((byte)0))
        {
            return MqttRule.Utf8Null;
        }

        if (!Utf8.IsValid(filter))
        {
            return MqttRule.Utf8;
        }

        return version is MqttVersion.V5 && IsShared(filter) ? FindShareFault(filter) : FindWildcardFault(filter);
    }

    /// <summary>MQTT 5 4.8.2: whether the filter asks for a shared subscription.</summary>
    internal static bool IsShared(ReadOnlySpan<byte> filter) => filter.StartsWith(SharePrefix);

    internal static void Check(ReadOnlySpan<byte> filter, MqttVersion version)
    {
        if (FindFault(filter, version) is { } rule)
        {
            throw new MalformedPacketException(rule);
        }
    }

    // $share/{share name}/{filter}
    private static string? FindShareFault(ReadOnlySpan<byte> filter)
    {
        var rest = filter[SharePrefix.Length..];
        var slash = rest.IndexOf((byte)'/');
        if (slash <= 0 || slash == rest.Length - 1 || rest[..slash].IndexOfAny((byte)'+', (byte)'#') >= 0)
        {
            return MqttRule.ShareName;
        }

        return FindWildcardFault(rest[(slash + 1)..]);
    }

    private static string? FindWildcardFault(ReadOnlySpan<byte> filter)
    {
        var levelStart = 0;
        for (var i = 0; i < filter.Length; i++)
        {
            switch (filter[i])
            {
                case (byte)'/':
                    levelStart = i + 1;
                    break;
                case (byte)'#' when i != levelStart || i != filter.Length - 1:
                    return MqttRule.MultiLevelWildcard;
                case (byte)'+' when i != levelStart || (i < filter.Length - 1 && filter[i + 1] is not (byte)'/'):
                    return MqttRule.SingleLevelWildcard;
            }
        }

        return null;
    }
}
