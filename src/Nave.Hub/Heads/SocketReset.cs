using System.Net.Sockets;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Nave.Hub.Hosting.Sockets;

namespace Nave.Hub.Heads;

/// <summary>Cuts a connection off as a dead network would; does nothing where there is no socket under it.</summary>
internal readonly struct SocketReset
{
    private readonly Socket? _socket;
    private readonly SocketConnection? _connection;

    private SocketReset(Socket? socket, SocketConnection? connection) => (_socket, _connection) = (socket, connection);

    /// <summary>For the connection with these features.</summary>
    public static SocketReset Of(IFeatureCollection features) => new(features.Get<IConnectionSocketFeature>()?.Socket, features.Get<SocketConnection>());

    /// <summary>A reset instead of an orderly end.</summary>
    public void Invoke()
    {
        _connection?.Reset();
        try
        {
            if (_socket is { } socket)
            {
                socket.LingerState = new LingerOption(enable: true, seconds: 0);
                socket.Close();
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It has gone by itself.
        }
    }
}
