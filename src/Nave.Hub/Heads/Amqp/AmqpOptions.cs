namespace Nave.Hub.Heads.Amqp;

/// <summary>What the AMQP head has to be told.</summary>
internal sealed class AmqpOptions
{
    /// <summary>The event-hub-compatible name: the entity of the events endpoint (spec/events-endpoint.md 1). Holds no slash.</summary>
    public string EventHubName { get; set; } = "nave";

    /// <summary>Names of this hub, the first being the one that is printed. Empty: any name in an OPEN is taken for ours.</summary>
    public IReadOnlyList<string> HostNames { get; set; } = [];

    /// <summary>The port that redirects name. The older client wants the literal 5671, wherever the hub listens (spec/events-endpoint.md 4).</summary>
    public int RedirectPort { get; set; } = 5671;
}
