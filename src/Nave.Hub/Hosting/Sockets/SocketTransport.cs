using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Nave.Hub.Hosting.Sockets;

/// <summary>
/// The transport under the MQTT head, on Linux: loops over epoll that read, handle and answer on one thread each, without
/// the two hops through the thread pool that a message takes in Kestrel's own. Kestrel asks it for the listeners of the
/// MQTT ports and runs everything else (limits, TLS, shutdown) as ever. docs/decisions/0025-socket-transport.md.
/// </summary>
internal sealed class SocketTransport(Listeners listeners, TimeProvider time, ILogger<SocketTransport> logger)
    : IConnectionListenerFactory, IConnectionListenerFactorySelector, IDisposable
{
    private readonly Lock _lock = new();
    private SocketLoop[]? _loops;

    /// <summary>Whether it can be used here.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux();

    /// <inheritdoc/>
    public bool CanBind(EndPoint endpoint) => endpoint is HubEndPoint { Serves: HubPort.Mqtt or HubPort.Mqtts };

    /// <inheritdoc/>
    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) =>
        ValueTask.FromResult<IConnectionListener>(new SocketListener(listeners.Listen(endpoint), Loops(), time, logger));

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var loop in _loops ?? [])
        {
            loop.Dispose();
        }
    }

    private SocketLoop[] Loops()
    {
        lock (_lock)
        {
            return _loops ??= [.. Enumerable.Range(0, Environment.ProcessorCount).Select(i => new SocketLoop($"sockets-{i}", logger))];
        }
    }
}
