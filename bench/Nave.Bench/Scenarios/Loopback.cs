using System.Net;
using System.Net.Sockets;

namespace Nave.Bench.Scenarios;

/// <summary>Ports on the loopback address.</summary>
internal static class Loopback
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(20);

    /// <summary>A port that nobody held a moment ago.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>Waits until something accepts on the port.</summary>
    /// <returns>False when the process ended or did not serve in time.</returns>
    public static async Task<bool> IsServedAsync(int port, Func<bool> hasExited, TimeProvider time, CancellationToken stopping)
    {
        var begun = time.GetTimestamp();
        using var ticks = new PeriodicTimer(Interval, time);
        while (!hasExited() && time.GetElapsedTime(begun) < StartLimit)
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await socket.ConnectAsync(IPAddress.Loopback, port, stopping);
                return true;
            }
            catch (SocketException)
            {
                await ticks.WaitForNextTickAsync(stopping);
            }
        }

        return false;
    }
}
