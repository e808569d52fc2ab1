using System.IO.Pipelines;

namespace Nave.Hub.Hosting;

/// <summary>
/// Waits for a connection to say something before anything is spent on it: a silent peer costs a socket and a timer, and
/// none of what a TLS handshake takes.
/// </summary>
internal static class FirstByte
{
    /// <summary>The first byte, which stays unread for whoever comes next; null when none came in time or the peer has gone.</summary>
    public static async ValueTask<byte?> PeekAsync(PipeReader input, TimeSpan timeout, TimeProvider time)
    {
        using var deadline = new CancellationTokenSource(timeout, time);
        try
        {
            var read = await input.ReadAsync(deadline.Token);
            if (read.Buffer.IsEmpty)
            {
                return null;
            }

            var first = read.Buffer.FirstSpan[0];
            input.AdvanceTo(read.Buffer.Start); // Consumed nothing, examined nothing: the next reader gets it all at once.
            return first;
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            return null;
        }
    }
}
