using System.Diagnostics.CodeAnalysis;
using Nave.Hub.Telemetry;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>
/// The last few telemetry topics of a connection with their encoded properties. Bounded: a device that puts a message id
/// into every topic goes around a ring of four small entries.
/// </summary>
internal sealed class TopicCache
{
    private const int Entries = 4;

    // With its properties such an entry is about 3 KB at most; longer topics seldom repeat.
    private const int MaxTopicBytes = 512;

    private Entry[]? _entries;
    private int _next;

    public bool TryGet(ReadOnlySpan<byte> topic, bool retain, [NotNullWhen(true)] out TelemetryProperties? properties)
    {
        foreach (ref readonly var entry in _entries.AsSpan())
        {
            if (entry.Retain == retain && topic.SequenceEqual(entry.Topic))
            {
                properties = entry.Properties;
                return properties is not null;
            }
        }

        properties = null;
        return false;
    }

    public void Put(ReadOnlySpan<byte> topic, bool retain, TelemetryProperties properties)
    {
        if (topic.Length > MaxTopicBytes)
        {
            return;
        }

        _entries ??= new Entry[Entries];
        _entries[_next] = new Entry(topic.ToArray(), retain, properties);
        _next = (_next + 1) % Entries;
    }

    private readonly record struct Entry(byte[]? Topic, bool Retain, TelemetryProperties? Properties);
}
