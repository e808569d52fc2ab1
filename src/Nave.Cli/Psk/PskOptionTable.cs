using Microsoft.Extensions.Logging;
using Nave.Cli.Commands;
using Nave.Hub.Hosting;
using Nave.PskGateway.Keys;
using static Nave.Hub.Hosting.OptionValue;

namespace Nave.Cli.Psk;

/// <summary>Every option of <c>nave psk</c>.</summary>
internal static class PskOptionTable
{
    /// <summary>All options in the order of the documentation.</summary>
    public static RoleOptionTable<PskRunOptions> All { get; } = new("NAVE_PSK__",
    [
        new("Gateway:DataDirectory", "--data", "./nave-psk", "Data directory: key store, audit trail", (o, text) => o.DataDirectory = text),
        new("Listen:Address", "--bind", "127.0.0.1", "Address to listen on; 0.0.0.0 for all", (o, text) => o.Address = Address(text)),
        new("Listen:Port", "--port", "8884", "MQTT over TLS-PSK", (o, text) => o.Port = Port(text)),
        new("Hub:DataDirectory", "--hub-data", "./nave-data, unless Hub:ConnectionString is set", "Data directory of the hub on this machine", (o, text) => o.HubDataDirectory = text),
        new("Hub:Policy", "--policy", "device", "Policy of that hub to act with: DeviceConnect and nothing more", (o, text) => o.HubPolicy = text),
        new("Hub:ConnectionString", null, "none", "Policy of any other hub, Azure's included; a secret: set it in the environment or a file of mode 0600",
            (o, text) => o.HubConnectionString = text),
        new("Hub:CaFile", "--hub-ca-file", "the local hub's, or the system's", "Authority to trust for the hub (PEM)", (o, text) => o.HubCaFile = text),
        new("Keys:Store", "--store", "DATA/psk.db", "SQLite file with the sealed keys; made if absent", (o, text) => o.Store = text),
        new("Keys:MasterKeyFile", "--master-key", "DATA/keys/master.key", "Key that seals them: not beside the store, and of mode 0600", (o, text) => o.MasterKeyFile = text),
        new("Identities:Pattern", "--identity-pattern", "none", "Regular expression that takes the device id, its group `device`, out of identities without one of their own",
            (o, text) => o.IdentityPattern = PskRules.TryReadPattern(text, out var pattern) ? pattern : throw new FormatException("it is no regular expression that runs in linear time")),
        new("Mqtt:ClientId", "--client-id", "device", "Client ids that a CONNECT may bring: device (the device id, or none) or any", (o, text) => o.ClientId = Choice<ClientIdPolicy>(text)),
        new("Topics:File", "--topics", "none", "Table of the devices' own topics", (o, text) => o.TopicsFile = text),
        new("Topics:Unmapped", "--unmapped", "reject", "Topics that are neither the hub's nor in the table: reject (the connection ends) or drop", (o, text) => o.Unmapped = Choice<UnmappedTopics>(text)),
        new("Tls:AllowNonForwardSecret", "--allow-non-forward-secret", "false", "Serve the plain PSK suites of TLS 1.2 too, for devices that have no other",
            (o, text) => o.AllowNonForwardSecret = Flag(text)) { IsSwitch = true },
        new("Tls:HideUnknownIdentity", null, "true", "Answer an unknown identity like a wrong key", (o, text) => o.HideUnknownIdentity = Flag(text)),
        new("Limits:Connections", null, "20000", "Devices at once", (o, text) => o.MostConnections = Number(text, 1, 1_000_000)),
        new("Limits:Handshakes", null, "500", "Handshakes at once; what comes beyond them is closed", (o, text) => o.MostHandshakes = Number(text, 1, 100_000)),
        new("Limits:HandshakesPerAddress", null, "64", "Of those, from one address; more for a large site behind one", (o, text) => o.MostHandshakesPerAddress = Number(text, 1, 100_000)),
        new("Audit:Trail", null, "true", "Write DATA/audit.jsonl", (o, text) => o.Audit = Flag(text)),
        new("Log:Format", "--log", "text", "Console log: text or json", (o, text) => o.LogFormat = Choice<ConsoleFormat>(text)),
        new("Log:Level", "--log-level", "information", "Least level shown: trace, debug, information, warning, error",
            (o, text) => o.LogLevel = Choice<LogLevel>(text)),
    ]);
}
