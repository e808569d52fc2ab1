using System.ComponentModel;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Nave.Hub.Hosting.Sockets;

/// <summary>Accepts connections and gives them to the loops in turn.</summary>
internal sealed partial class SocketListener(Socket socket, SocketLoop[] loops, TimeProvider time, ILogger logger) : IConnectionListener
{
    // How long nobody is accepted where there is no room for another connection: the system has no file left, mostly.
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    // How often that is told, since strangers can bring it about.
    private static readonly TimeSpan TellEvery = TimeSpan.FromMinutes(1);

    private uint _next;
    private long? _toldAt;

    /// <inheritdoc/>
    public EndPoint EndPoint { get; } = socket.LocalEndPoint!; // It is bound.

    /// <inheritdoc/>
    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
    {
        while (true)
        {
            Socket? accepted = null;
            try
            {
                accepted = await socket.AcceptAsync(cancellationToken);
                return new SocketConnection(accepted, loops[_next++ % loops.Length]);
            }
            catch (ObjectDisposedException) when (accepted is null)
            {
                return null;
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.OperationAborted)
            {
                return null;
            }
            catch (Exception e) when (e is SocketException or Win32Exception or ObjectDisposedException)
            {
                // The peer has gone while it waited to be accepted; or there is no room for it here, and then there is
                // none for the next one either.
                accepted?.Dispose();
                if (e is not SocketException { SocketErrorCode: SocketError.ConnectionReset or SocketError.NotConnected or SocketError.ConnectionAborted })
                {
                    TellOfNoRoom(e);
                    await Task.Delay(Pause, time, cancellationToken);
                }
            }
        }
    }

    /// <inheritdoc/>
    public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
    {
        socket.Dispose();
        return default;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => UnbindAsync(CancellationToken.None);

    private void TellOfNoRoom(Exception problem)
    {
        if (_toldAt is not { } told || time.GetElapsedTime(told) > TellEvery)
        {
            _toldAt = time.GetTimestamp();
            Log.NoRoom(logger, EndPoint, problem.Message);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1541, LogLevel.Warning, "{EndPoint} takes no further connection until others end: {Problem}. Raise the limit of open files (ulimit -n, LimitNOFILE)")]
        public static partial void NoRoom(ILogger logger, EndPoint endPoint, string problem);
    }
}
