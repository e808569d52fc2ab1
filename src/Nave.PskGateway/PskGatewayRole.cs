using System.Diagnostics.CodeAnalysis;
using System.Net;
using Microsoft.Extensions.Logging;
using Nave.PskGateway.Keys;
using Nave.PskGateway.Upstream;
using Nave.Storage.Audit;

namespace Nave.PskGateway;

/// <summary>A gateway that runs: its port, its pool of connections to the hub, its audit trail. For the executable.</summary>
public sealed partial class PskGatewayRole : IAsyncDisposable
{
    private readonly PskServer _server;
    private readonly HubPool _pool;
    private readonly AuditTrail _audit;

    private PskGatewayRole(PskServer server, HubPool pool, AuditTrail audit)
    {
        _server = server;
        _pool = pool;
        _audit = audit;
    }

    /// <summary>The port.</summary>
    public int Port => _server.Port;

    /// <summary>Opens the port. The hub is connected to when the first device comes.</summary>
    /// <param name="options">Settings.</param>
    /// <param name="hub">The hub.</param>
    /// <param name="store">The keys; the caller's.</param>
    /// <param name="auditFolder">Where the audit trail goes; null for none.</param>
    /// <param name="time">The clock.</param>
    /// <param name="loggers">Where it is told.</param>
    /// <param name="stopping">Stops the start.</param>
    /// <exception cref="IOException">The port cannot be had.</exception>
    /// <exception cref="FormatException">The hub's connection string is none; the message shows no key.</exception>
    [SuppressMessage("Reliability", "CA2000", Justification = "Owned by the role, disposed of below when the start fails.")]
    public static async Task<PskGatewayRole> StartAsync(
        PskGatewayOptions options, PskHubOptions hub, PskStore store, string? auditFolder, TimeProvider time, ILoggerFactory loggers, CancellationToken stopping)
    {
        var upstream = new UpstreamOptions { ConnectionString = hub.ConnectionString, CaFile = hub.CaFile, Port = hub.AmqpsPort };
        if (!HubPool.TryCreate(upstream, time, loggers, out var pool, out var problem))
        {
            throw new FormatException(problem);
        }

        var audit = new AuditTrail(auditFolder, time, loggers.CreateLogger<AuditTrail>());
        try
        {
            var keyring = await PskKeyring.OpenAsync(store, options.IdentityPattern, time, stopping);
            var server = PskServer.Start(options, keyring, pool, new PskSignals(audit, loggers.CreateLogger<PskSignals>()), time);
            Log.Ready(loggers.CreateLogger<PskGatewayRole>(), new IPEndPoint(options.Address, server.Port), keyring.Count, hub.HostName);
            return new PskGatewayRole(server, pool, audit);
        }
        catch
        {
            await audit.DisposeAsync();
            await pool.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _pool.DisposeAsync();
        await _audit.DisposeAsync();
    }

    private static partial class Log
    {
        [LoggerMessage(9200, LogLevel.Information, "TLS-PSK devices are taken at {Address} with {Count} keys and forwarded to {Hub}")]
        public static partial void Ready(ILogger logger, IPEndPoint address, int count, string hub);
    }
}

/// <summary>The hub that devices are forwarded to.</summary>
/// <param name="HostName">For the operator.</param>
/// <param name="ConnectionString">A policy with DeviceConnect; a secret.</param>
/// <param name="AmqpsPort">AMQP over TLS.</param>
/// <param name="CaFile">The authority to trust; null for the system's.</param>
public sealed record PskHubOptions(string HostName, string ConnectionString, int AmqpsPort = 5671, string? CaFile = null)
{
    /// <inheritdoc/>
    public override string ToString() => HostName;
}
