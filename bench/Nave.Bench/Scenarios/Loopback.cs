using System.Net;
using System.Net.Sockets;

namespace Nave.Bench.Scenarios;

/// <summary>Ports on the loopback address.</summary>
internal static class Loopback
{
    private const int ConnectionsPerSource = 10_000;
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(20);

    /// <summary>A port that nobody held a moment ago.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>
    /// Source addresses for so many connections to one port, as the generator takes them: one address has some 28,000 ports, of
    /// which those of connections that ended a minute ago are still taken.
    /// </summary>
    public static string Sources(int connections) =>
        string.Join(',', Enumerable.Range(0, (connections / ConnectionsPerSource) + 1).Select(i => $"127.0.{1 + (i / 250)}.{1 + (i % 250)}"));

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
