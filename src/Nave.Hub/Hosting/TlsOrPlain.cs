using System.IO.Pipelines;
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
    /// <param name="useTls">Adds TLS to the listener.</param>
    public static void Use(ListenOptions listener, bool allowsPlain, TimeSpan timeout, Action<ListenOptions> useTls)
    {
        if (!allowsPlain)
        {
            useTls(listener);
            return;
        }

        ConnectionDelegate? behindTls = null;
        listener.Use(next => async connection =>
        {
            if (await ReadsTlsAsync(connection.Transport.Input, timeout) is { } isTls)
            {
                // Middleware is built from the inside out: what stands behind TLS is known by now.
                await (isTls ? next : behindTls!)(connection);
            }
        });
        useTls(listener);
        listener.Use(next => behindTls = next);
    }

    private static async Task<bool?> ReadsTlsAsync(PipeReader input, TimeSpan timeout)
    {
        using var deadline = new CancellationTokenSource(timeout);
        try
        {
            var read = await input.ReadAsync(deadline.Token);
            if (read.Buffer.IsEmpty)
            {
                return null;
            }

            var first = read.Buffer.FirstSpan[0];
            input.AdvanceTo(read.Buffer.Start); // Consumed nothing, examined nothing: the next reader gets it all at once.
            return first == HandshakeRecord;
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            return null;
        }
    }
}
