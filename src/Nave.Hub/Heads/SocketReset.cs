using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;

namespace Nave.Hub.Heads;

/// <summary>Cuts a connection off with a TCP reset: what its peer sees of a network or a server that has died.</summary>
internal static class SocketReset
{
    /// <summary>For the connection with these features; null where there is no socket under it.</summary>
    public static Action? Of(IFeatureCollection features)
    {
        if (features.Get<IConnectionSocketFeature>()?.Socket is not { } socket)
        {
            return null;
        }

        return () =>
        {
            try
            {
                socket.LingerState = new System.Net.Sockets.LingerOption(enable: true, seconds: 0);
                socket.Close();
            }
            catch (Exception e) when (e is System.Net.Sockets.SocketException or ObjectDisposedException)
            {
                // It has gone by itself.
            }
        };
    }
}
