using System.Globalization;
using System.Text;

namespace Nave.Hub.Queries;

/// <summary>What a token is.</summary>
internal enum TokenKind
{
    /// <summary>A keyword, a name, a function: one unquoted segment.</summary>
    Word,

    /// <summary>Several segments, a quoted one, or an index.</summary>
    Path,
    Text,
    Number,
    Symbol,
    End,
}

/// <summary>One token, with where it begins and ends.</summary>
internal sealed record Token(TokenKind Kind, int Offset, int Length)
{
    /// <summary>The word or symbol as written; a string's value.</summary>
    public string Text { get; init; } = "";

    public double Number { get; init; }

    /// <summary>Of a word or path.</summary>
    public IReadOnlyList<PathStep> Steps { get; init; } = [];
}

/// <summary>
/// Text to tokens (spec/query-language.md A1 to A3). A path is one token: what a dash or a bracket means depends on
/// whether blanks stand around it, and only here that is known.
/// </summary>
internal sealed class QueryLexer(string text)
{
    private int _position;

    /// <summary>All tokens, the last being <see cref="TokenKind.End"/>.</summary>
    public List<Token> Read()
    {
        var tokens = new List<Token>();
        do
        {
            tokens.Add(ReadToken());
        }
        while (tokens[^1].Kind is not TokenKind.End);
        return tokens;
    }

    private char Current => At(0);

    private char At(int ahead) => _position + ahead < text.Length ? text[_position + ahead] : '\0';

    private static bool IsNameCharacter(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '$';

    private Token ReadToken()
    {
        SkipBlanks();
        var start = _position;
        if (start == text.Length)
        {
            return new Token(TokenKind.End, start, 0);
        }

        return Current switch
        {
            '\'' or '"' => ReadText(),
            >= '0' and <= '9' => ReadNumber(),
            '[' when At(1) is '[' => ReadPath(),
            var c when IsNameCharacter(c) => ReadPath(),
            _ => ReadSymbol(),
        };
    }

    private void SkipBlanks()
    {
        while (true)
        {
            if (Current is ' ' or '\t' or '\r' or '\n')
            {
                _position++;
            }
            else if (Current is '/' && At(1) is '*')
            {
                var end = text.IndexOf("*/", _position + 2, StringComparison.Ordinal);
                _position = end >= 0 ? end + 2 : throw new QuerySyntaxException(_position, "a comment without its end");
            }
            else
            {
                return;
            }
        }
    }

    private Token ReadSymbol()
    {
        var start = _position;
        var pair = text.AsSpan(start, Math.Min(2, text.Length - start));
        var length = pair is "!=" or "<>" or "<=" or ">=" ? 2 : 1;
        if (length == 1 && !"=<>+-*/%(),[]".Contains(Current, StringComparison.Ordinal))
        {
            throw new QuerySyntaxException(start, $"{QuerySyntaxException.Quote(pair[..1])} means nothing here{Hint(Current)}");
        }

        _position += length;
        return new Token(TokenKind.Symbol, start, length) { Text = text.Substring(start, length) };
    }

    private static string Hint(char c) => c switch
    {
        ';' => " (a query is one statement without an end mark)",
        '{' or '}' or '@' or '#' or ':' or '?' => " (write a name with such characters as [[name]])",
        > '\x7f' => " (write a name with such characters as [[name]], a text in quotes)",
        _ => "",
    };

    private Token ReadText()
    {
        var start = _position;
        var quote = text[_position++];
        var value = new StringBuilder();
        while (Current != quote)
        {
            if (_position >= text.Length)
            {
                throw new QuerySyntaxException(start, "a string without its end");
            }

            value.Append(Current is '\\' ? ReadEscape() : text[_position++]);
        }

        _position++;
        var result = value.ToString();
        CheckSurrogates(result, start);
        return new Token(TokenKind.Text, start, _position - start) { Text = result };
    }

    private char ReadEscape()
    {
        var start = _position;
        var c = At(1);
        _position += 2;
        switch (c)
        {
            case '\'' or '"' or '\\':
                return c;
            case 'u' when _position + 4 <= text.Length
                    && ushort.TryParse(text.AsSpan(_position, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var unit):
                _position += 4;
                return (char)unit;
            default:
                throw new QuerySyntaxException(start, @"an unknown escape (there are \' \"" \\ and \uXXXX)");
        }
    }

    // Half a character can neither be stored nor compared.
    private static void CheckSurrogates(string value, int start)
    {
        for (var i = 0; i < value.Length; i++)
        {
            if (char.IsHighSurrogate(value[i]) && i + 1 < value.Length && char.IsLowSurrogate(value[i + 1]))
            {
                i++;
            }
            else if (char.IsSurrogate(value[i]))
            {
                throw new QuerySyntaxException(start, "a string with half a surrogate pair");
            }
        }
    }

    private Token ReadNumber()
    {
        var start = _position;
        var value = Current is '0' && At(1) is 'x' or 'X' ? ReadHex(start) : ReadDecimal(start);
        return IsNameCharacter(Current) || Current is '.'
            ? throw new QuerySyntaxException(start, "a malformed number")
            : new Token(TokenKind.Number, start, _position - start) { Number = value };
    }

    private double ReadHex(int start)
    {
        _position += 2;
        var digits = SkipWhile(char.IsAsciiHexDigit);
        return ulong.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw new QuerySyntaxException(start, "a malformed number");
    }

    private double ReadDecimal(int start)
    {
        SkipWhile(char.IsAsciiDigit);
        if (Current is '.' && char.IsAsciiDigit(At(1)))
        {
            _position++;
            SkipWhile(char.IsAsciiDigit);
        }

        if (Current is 'e' or 'E')
        {
            _position += At(1) is '+' or '-' ? 2 : 1;
            SkipWhile(char.IsAsciiDigit);
        }

        return double.TryParse(text.AsSpan(start, _position - start), NumberStyles.Float, CultureInfo.InvariantCulture, out var value)
            && double.IsFinite(value)
            ? value
            : throw new QuerySyntaxException(start, "a malformed number");
    }

    private ReadOnlySpan<char> SkipWhile(Func<char, bool> belongs)
    {
        var start = _position;
        while (_position < text.Length && belongs(text[_position]))
        {
            _position++;
        }

        return text.AsSpan(start, _position - start);
    }

    // spec/query-language.md A2: segments by dots, [[name]] for odd ones, [n] into arrays.
    private Token ReadPath()
    {
        var start = _position;
        var steps = new List<PathStep> { ReadSegment() };
        var isWord = text[start] is not '[';

        // "IN[5]" is a list of one, not an element of something called IN.
        var isList = isWord && steps[0].Name!.ToUpperInvariant() is "IN" or "NIN";
        while (!isList)
        {
            if (Current is '.')
            {
                _position++;
                steps.Add(ReadSegment());
            }
            else if (Current is '[' && char.IsAsciiDigit(At(1)))
            {
                steps.Add(ReadIndex());
            }
            else
            {
                break;
            }

            if (steps.Count > QueryLimits.MaxPathSteps)
            {
                throw new QuerySyntaxException(start, $"a path of more than {QueryLimits.MaxPathSteps} segments");
            }
        }

        var length = _position - start;
        return isWord && steps.Count == 1
            ? new Token(TokenKind.Word, start, length) { Text = steps[0].Name!, Steps = steps }
            : new Token(TokenKind.Path, start, length) { Text = text.Substring(start, length), Steps = steps };
    }

    private PathStep ReadSegment()
    {
        var start = _position;
        if (Current is '[' && At(1) is '[')
        {
            var end = text.IndexOf("]]", start + 2, StringComparison.Ordinal);
            if (end < 0)
            {
                throw new QuerySyntaxException(start, "a quoted name without its end (]])");
            }

            _position = end + 2;
            var name = text[(start + 2)..end];
            CheckSurrogates(name, start);
            return name.Length == 0 ? throw new QuerySyntaxException(start, "an empty name")
                : name.Any(char.IsControl) ? throw new QuerySyntaxException(start, "a control character in a name") // Twins have none (spec/service-rest.md 6.3).
                : new PathStep(name);
        }

        while (IsNameCharacter(Current) || (Current is '-' && _position > start && IsNameCharacter(At(1))))
        {
            _position++;
        }

        return _position > start
            ? new PathStep(text[start.._position])
            : throw new QuerySyntaxException(start, "expected a name after the dot (an odd one as [[name]])");
    }

    private PathStep ReadIndex()
    {
        var start = _position++;
        var digits = SkipWhile(char.IsAsciiDigit);
        if (Current is not ']' || !int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var index))
        {
            throw new QuerySyntaxException(start, "expected a whole number and ] for an array's element");
        }

        _position++;
        return new PathStep(null, index);
    }
}
