using System.Text;

namespace Nave.Hub.Access;

/// <summary>Text that strangers chose, made fit for an operator's eyes: control characters escaped, length cut (design.md 4).</summary>
internal static class OperatorText
{
    private const int MaxLength = 200;

    /// <summary>The text in quotes.</summary>
    public static string Quote(string text)
    {
        var quoted = new StringBuilder("'");
        foreach (var c in text.AsSpan(0, Math.Min(text.Length, MaxLength)))
        {
            if (char.IsControl(c) || char.IsSurrogate(c) || c is '\u2028' or '\u2029')
            {
                quoted.Append($"\\u{(int)c:x4}");
            }
            else
            {
                quoted.Append(c);
            }
        }

        return quoted.Append(text.Length > MaxLength ? "…'" : "'").ToString();
    }
}
