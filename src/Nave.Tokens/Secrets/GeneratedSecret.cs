using System.Buffers.Text;
using System.Security.Cryptography;

namespace Nave.Tokens.Secrets;

/// <summary>
/// Secrets that the service makes: <c>nvs_</c> and 256 random bits. Their form tells them from chosen passwords, so that
/// what a request costs depends on what was sent and never on what is in the table.
/// </summary>
internal static class GeneratedSecret
{
    /// <summary>What they begin with; no chosen password may.</summary>
    public const string Prefix = "nvs_";

    private const int Bytes = 32;

    /// <summary>A new one.</summary>
    public static string Create() => Prefix + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(Bytes));

    /// <summary>Whether the text has their form.</summary>
    public static bool HasForm(string secret) => secret.StartsWith(Prefix, StringComparison.Ordinal);
}
