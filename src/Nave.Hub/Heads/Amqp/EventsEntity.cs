using Nave.Hub.Telemetry;

namespace Nave.Hub.Heads.Amqp;

/// <summary>An event-hub-compatible entity: its name, the alias on the hub's own address, and what reads it (spec/events-endpoint.md 1).</summary>
internal sealed record EventsEntity(string Name, string Alias, EventReaders Readers)
{
    /// <summary>Whether a name means this entity.</summary>
    public bool IsNamed(string name) =>
        name.Trim('/') is var bare && (bare.Equals(Name, StringComparison.OrdinalIgnoreCase) || bare.Equals(Alias, StringComparison.OrdinalIgnoreCase));

    /// <summary>The paths that open a part of it.</summary>
    public string[] Paths(string part) => [$"/{Name}/{part}", $"/{Alias}/{part}"];
}
