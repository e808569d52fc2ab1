using System.Net;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using Nave.Hub.Hosting;

namespace Nave.Cli.Psk;

/// <summary>Everything that can be set on a PSK gateway; names and meanings are in <see cref="PskOptionTable"/>.</summary>
internal sealed class PskRunOptions
{
    public string DataDirectory { get; set; } = "nave-psk";

    public IPAddress Address { get; set; } = IPAddress.Loopback;

    public int Port { get; set; } = 8884;

    public string? HubDataDirectory { get; set; }

    public string HubPolicy { get; set; } = "device";

    public string? HubConnectionString { get; set; }

    public string? HubCaFile { get; set; }

    public string? Store { get; set; }

    public string? MasterKeyFile { get; set; }

    public Regex? IdentityPattern { get; set; }

    public ClientIdPolicy ClientId { get; set; }

    public string? TopicsFile { get; set; }

    public UnmappedTopics Unmapped { get; set; }

    public bool AllowNonForwardSecret { get; set; }

    public bool HideUnknownIdentity { get; set; } = true;

    public int MostConnections { get; set; } = 20_000;

    public int MostHandshakes { get; set; } = 500;

    public int MostHandshakesPerAddress { get; set; } = 64;

    public bool Audit { get; set; } = true;

    public ConsoleFormat LogFormat { get; set; }

    public LogLevel LogLevel { get; set; } = LogLevel.Information;

    /// <summary>The key store's file.</summary>
    public string StoreFile => Store ?? Path.Combine(DataDirectory, "psk.db");

    /// <summary>The file of the key that seals it.</summary>
    public string MasterKey => MasterKeyFile ?? Path.Combine(DataDirectory, "keys", "master.key");
}

/// <summary>What client ids a CONNECT may bring.</summary>
internal enum ClientIdPolicy
{
    /// <summary>The device id, or none.</summary>
    Device,

    /// <summary>Any: the key has said who it is.</summary>
    Any,
}

/// <summary>What becomes of topics that are neither the hub's nor in the table.</summary>
internal enum UnmappedTopics
{
    /// <summary>The connection ends.</summary>
    Reject,

    /// <summary>The message is acknowledged and dropped.</summary>
    Drop,
}
