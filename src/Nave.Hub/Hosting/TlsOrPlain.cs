using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Nave.Hub.Hosting;

/// <summary>
/// The operator port speaks TLS, and on loopback also plain HTTP, for the scraper or script beside it: the first byte
/// tells which (a TLS record begins with 22, an HTTP method with a letter).
/// </summary>
internal static class TlsOrPlain
{
    private const byte HandshakeRecord = 22;

    /// <summary>Puts it on a listener; <paramref name="useTls"/> adds TLS.</summary>
    /// <param name="listener">Where.</param>
    /// <param name="allowsPlain">Whether plain HTTP is served; where not, it meets a failed handshake.</param>
    /// <param name="timeout">For the first byte.</param>
    /// <param name="time">Measures it.</param>
    /// <param name="useTls">Adds TLS to the listener.</param>
    public static void Use(ListenOptions listener, bool allowsPlain, TimeSpan timeout, TimeProvider time, Action<ListenOptions> useTls)
    {
        if (!allowsPlain)
        {
            useTls(listener);
            return;
        }

        ConnectionDelegate? behindTls = null;
        listener.Use(next => async connection =>
        {
            if (await FirstByte.PeekAsync(connection.Transport.Input, timeout, time) is { } first)
            {
                // Middleware is built from the inside out: what stands behind TLS is known by now.
                await (first is HandshakeRecord ? next : behindTls!)(connection);
            }
        });
        useTls(listener);
        listener.Use(next => behindTls = next);
    }
}
