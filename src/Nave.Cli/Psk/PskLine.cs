using Nave.Protocol.Identities;

namespace Nave.Cli.Psk;

/// <summary>A line of a key file: IDENTITY:HEX as mosquitto has it, or IDENTITY:HEX:DEVICE. An identity may hold colons.</summary>
internal sealed record PskLine(string Identity, string Hex, DeviceId? Device)
{
    /// <summary>Reads it; null when it is none.</summary>
    public static PskLine? Parse(string line)
    {
        var last = line.LastIndexOf(':');
        if (last <= 0)
        {
            return null;
        }

        // A key has at least 32 hex digits; no device id that ends a line is mistaken for one unless it looks like a key itself.
        var before = line.LastIndexOf(':', last - 1);
        if (before > 0 && IsKey(line[(before + 1)..last]) && DeviceId.TryParse(line[(last + 1)..], out var device))
        {
            return new PskLine(line[..before], line[(before + 1)..last], device);
        }

        return new PskLine(line[..last], line[(last + 1)..], null);
    }

    private static bool IsKey(string text) => text.Length >= 32 && text.All(char.IsAsciiHexDigit);
}
