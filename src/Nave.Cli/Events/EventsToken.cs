using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Nave.Protocol.Access;

namespace Nave.Cli.Events;

/// <summary>Tokens as Event Hubs clients make them: signed with the text of the key, not with what it decodes to (spec/events-endpoint.md 2).</summary>
internal static class EventsToken
{
    // A monitor may run for a day; it renews nothing.
    private static readonly TimeSpan Life = TimeSpan.FromDays(1);

    /// <summary>A token for an audience.</summary>
    public static string Of(ConnectionString endpoint, string audience, TimeProvider time)
    {
        if (endpoint.SharedAccessSignature is { } ready)
        {
            return ready;
        }

        var key = endpoint.SharedAccessKey ?? throw new CommandFailedException("The events endpoint needs a connection string with a key.", isUsage: true);
        var sr = Uri.EscapeDataString(audience);
        var se = (time.GetUtcNow() + Life).ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var signature = HMACSHA256.HashData(Encoding.UTF8.GetBytes(key), Encoding.UTF8.GetBytes($"{sr}\n{se}"));
        return $"{SasToken.Prefix} sr={sr}&sig={Uri.EscapeDataString(Convert.ToBase64String(signature))}&se={se}&skn={endpoint.SharedAccessKeyName}";
    }
}
