using System.Buffers;

namespace Nave.Protocol.Identities;

/// <summary>What device and module ids may consist of (spec/service-rest.md 4.1).</summary>
public static class IdentityText
{
    /// <summary>Longest id, in characters.</summary>
    public const int MaxLength = 128;

    /// <summary>The rule in words, for error messages.</summary>
    public const string Rule = "1 to 128 ASCII letters, digits and any of - : . + % _ # * ? ! ( ) , = @ ; $ '";

    private static readonly SearchValues<char> Allowed = SearchValues.Create(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-:.+%_#*?!(),=@;$'");

    /// <summary>Whether the text may be a device or module id.</summary>
    public static bool IsValid(ReadOnlySpan<char> text) =>
        text.Length is > 0 and <= MaxLength && !text.ContainsAnyExcept(Allowed);
}
