namespace Nave.Hub.Hosting.Sockets;

/// <summary>Names for connections: short, and not the same again after a restart.</summary>
internal static class SocketConnectionId
{
    private const string Digits = "0123456789ABCDEFGHIJKLMNOPQRSTUV"; // Of 5 bits each.
    private const int Length = 13; // Of 64 bits.

    private static long _last = Environment.TickCount64 << 20;

    /// <summary>The next name.</summary>
    public static string Next() => string.Create(Length, Interlocked.Increment(ref _last), static (text, number) =>
    {
        for (var i = Length - 1; i >= 0; i--)
        {
            text[i] = Digits[(int)number & 31];
            number >>>= 5;
        }
    });
}
