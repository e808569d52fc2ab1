using System.Net;
using System.Text;
using Nave.Protocol.Access;
using Nave.Protocol.Identities;

namespace Nave.Hub.Access;

/// <summary>
/// A named pair of keys with rights (spec/security.md 4), perhaps narrowed to some devices and some addresses (design.md 3).
/// An immutable snapshot. Keys are in clear here and wrapped in the store.
/// </summary>
internal sealed record SharedAccessPolicy
{
    /// <summary>Longest name, in characters.</summary>
    public const int MaxNameLength = 256;

    /// <summary>Compared without case.</summary>
    public required string Name { get; init; }

    public required AccessRights Rights { get; init; }

    /// <summary>Base64, 16 to 64 bytes decoded.</summary>
    public required string PrimaryKey { get; init; }

    /// <inheritdoc cref="PrimaryKey"/>
    public required string SecondaryKey { get; init; }

    /// <summary>The devices that it may act for or on; <c>*</c> stands for any run of characters; null for all.</summary>
    public string? DevicePattern { get; init; }

    /// <summary>The addresses that it may be used from; empty for all.</summary>
    public IReadOnlyList<IPNetwork> Addresses { get; init; } = [];

    /// <summary>Rises with each write; 1 when created.</summary>
    public long Version { get; init; } = 1;

    public DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset UpdatedAt { get; init; }

    /// <summary>Whether the text may name a policy: what the C# client accepts in connection strings.</summary>
    public static bool IsName(string name) =>
        name.Length is > 0 and <= MaxNameLength && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '@' or '.' or '-');

    /// <summary>Whether it may act for or on the device.</summary>
    public bool IsFor(DeviceId device) => DevicePattern is null || Matches(DevicePattern, device.Value);

    /// <summary>Whether it may be used from the address; an unknown one is outside of every list.</summary>
    public bool IsFor(IPAddress? address)
    {
        if (Addresses.Count == 0)
        {
            return true;
        }

        var plain = address is { IsIPv4MappedToIPv6: true } ? address.MapToIPv4() : address;
        return plain is not null && Addresses.Any(network => network.Contains(plain));
    }

    // The record's own text would hold the keys.
    private bool PrintMembers(StringBuilder text)
    {
        text.Append(Name).Append(": ").Append(AccessRightsText.Format(Rights));
        return true;
    }

    // The last star seen is where a mismatch goes back to: at most pattern times text steps, 128 times 128.
    private static bool Matches(string pattern, string text)
    {
        int p = 0, t = 0, star = -1, resume = 0;
        while (t < text.Length)
        {
            if (p < pattern.Length && pattern[p] == '*')
            {
                star = p++;
                resume = t;
            }
            else if (p < pattern.Length && pattern[p] == text[t])
            {
                p++;
                t++;
            }
            else if (star >= 0)
            {
                p = star + 1;
                t = ++resume;
            }
            else
            {
                return false;
            }
        }

        return pattern.AsSpan(p).TrimStart('*').IsEmpty;
    }
}
