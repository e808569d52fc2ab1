namespace Nave.Hub.Devices;

/// <summary>
/// What a device wants to be told, kept with its identity while its sessions are durable
/// (spec/device-mqtt.md 2.4: a client that renews its token subscribes nothing again).
/// </summary>
/// <param name="Filter">The filter in the client's own spelling: answers use the same spelling of the id.</param>
/// <param name="Qos">The granted quality of service, 0 or 1.</param>
internal sealed record Subscription(string Filter, int Qos);
