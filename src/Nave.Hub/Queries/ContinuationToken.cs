using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Nave.Hub.Queries;

/// <summary>
/// Where the next page of a query begins: how many rows were delivered, and the key of the last. It holds nothing that its
/// owner could not ask for, so it is neither signed nor secret; it names its query, so that one of another is refused.
/// </summary>
/// <param name="Delivered">Rows of the pages before.</param>
/// <param name="Key">Of the last row; empty where rows have none.</param>
internal sealed record ContinuationToken(long Delivered, IReadOnlyList<string> Key)
{
    // Of the format: a token outlives an upgrade, or is refused.
    private const string Version = "1.";

    private const int MaxLength = 1024;

    private const int HashBytes = 12;

    /// <summary>As text for a header: printable ASCII, well below 8 KB (spec/service-rest.md 8).</summary>
    public string Write(string query) => Version + Base64Url.EncodeToString(
        Encoding.UTF8.GetBytes(string.Join('\n', [HashOf(query), Delivered.ToString(CultureInfo.InvariantCulture), .. Key])));

    /// <summary>Reads a token of that query.</summary>
    public static bool TryRead(string text, string query, int keyLength, [NotNullWhen(true)] out ContinuationToken? token)
    {
        token = null;
        var body = text.AsSpan();
        if (body.Length > MaxLength || !body.StartsWith(Version, StringComparison.Ordinal) || !Base64Url.IsValid(body[Version.Length..]))
        {
            return false;
        }

        var fields = Encoding.UTF8.GetString(Base64Url.DecodeFromChars(body[Version.Length..])).Split('\n');
        if (fields.Length != 2 + keyLength || fields[0] != HashOf(query)
            || !long.TryParse(fields[1], NumberStyles.None, CultureInfo.InvariantCulture, out var delivered))
        {
            return false;
        }

        token = new ContinuationToken(delivered, fields[2..]);
        return true;
    }

    private static string HashOf(string query) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(query)).AsSpan(0, HashBytes));
}
