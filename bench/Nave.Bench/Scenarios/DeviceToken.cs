using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Nave.Bench.Scenarios;

/// <summary>
/// Makes a SAS token of a device or a policy (spec/security.md 2). The bench's own, as its packets are: it shares no code with what it
/// measures, so that both being wrong together is unlikely.
/// </summary>
internal static class DeviceToken
{
    public static string Mint(string resource, byte[] key, DateTimeOffset expiresAt, string? policy = null)
    {
        var sr = Uri.EscapeDataString(resource);
        var se = expiresAt.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var signature = Convert.ToBase64String(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes($"{sr}\n{se}")));
        return $"SharedAccessSignature sr={sr}&sig={Uri.EscapeDataString(signature)}&se={se}" + (policy is null ? "" : $"&skn={policy}");
    }
}
