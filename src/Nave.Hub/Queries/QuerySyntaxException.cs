using System.Text;
using Nave.Protocol.Errors;

namespace Nave.Hub.Queries;

/// <summary>The text breaks a rule of the language at a place. Caught where parsing begins, never seen outside.</summary>
internal sealed class QuerySyntaxException(int offset, string problem) : Exception(problem)
{
    private const int MaxQuoted = 40;

    /// <summary>Where in the text.</summary>
    public int Offset { get; } = offset;

    /// <summary>The refusal, with the place as line and column from 1. Real users know its first words (spec/query-language.md A3).</summary>
    public HubFailure ToFailure(string text)
    {
        var before = text.AsSpan(0, Math.Min(Offset, text.Length));
        var line = before.Count('\n') + 1;
        var column = before.Length - before.LastIndexOf('\n');
        return HubFailures.ArgumentInvalid.Saying($"The query is invalid: {Message} at line {line}, column {column}.");
    }

    /// <summary>Text of the query as it may stand in a message: short, without control characters.</summary>
    public static string Quote(ReadOnlySpan<char> text)
    {
        var quoted = new StringBuilder("'");
        foreach (var c in text[..Math.Min(text.Length, MaxQuoted)])
        {
            quoted.Append(char.IsControl(c) || char.IsSurrogate(c) ? '?' : c);
        }

        return quoted.Append(text.Length > MaxQuoted ? "...'" : "'").ToString();
    }
}
