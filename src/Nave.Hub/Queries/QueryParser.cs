using Nave.Protocol.Errors;

namespace Nave.Hub.Queries;

/// <summary>
/// Statements and conditions to checked trees, by recursive descent: one method per level of precedence
/// (spec/query-language.md A3), loosest first. Refusals name what was found, what was expected, and where.
/// </summary>
internal sealed class QueryParser
{
    private readonly List<Token> _tokens;
    private QuerySource _source;
    private string? _alias;
    private int _next;
    private int _depth;

    private QueryParser(List<Token> tokens) => _tokens = tokens;

    private Token Current => _tokens[_next];

    /// <summary>A whole statement.</summary>
    public static Outcome<Query> Parse(string text) => Read(text, parser => parser.ReadQuery(text));

    /// <summary>
    /// A condition without a statement: <c>*</c> or nothing for all, an expression, or <c>FROM devices.modules WHERE ...</c>
    /// (spec/query-language.md A4).
    /// </summary>
    public static Outcome<QueryCondition> ParseCondition(string? text) => Read(text ?? "", parser => parser.ReadCondition());

    /// <summary>A path alone, into a device's twin.</summary>
    public static Outcome<QueryPath> ParsePath(string text) => Read(text, parser => parser.ReadPath("a path"));

    private static Outcome<T> Read<T>(string text, Func<QueryParser, T> read)
        where T : class
    {
        if (text.Length > QueryLimits.MaxLength)
        {
            return HubFailures.ArgumentInvalid.Saying(
                $"The query is invalid: it has {text.Length} characters, and {QueryLimits.MaxLength} are allowed.");
        }

        try
        {
            var parser = new QueryParser(new QueryLexer(text).Read());
            var result = read(parser);
            parser.ExpectEnd();
            return result;
        }
        catch (QuerySyntaxException e)
        {
            return e.ToFailure(text);
        }
    }

    private Query ReadQuery(string text)
    {
        ExpectKeyword("SELECT");
        var top = ReadTop();

        // What the list's names mean depends on the source behind it, so that is read first.
        var list = _next;
        SkipList();
        ReadSource();
        var end = _next;
        _next = list;
        var items = ReadItems();
        ExpectKeyword("FROM");
        _next = end;

        var query = new Query
        {
            Text = text,
            Source = _source,
            Top = top,
            Items = [.. items.Select(item => item.Item)],
            Where = TakeKeyword("WHERE") ? ReadExpression() : null,
            GroupBy = ReadGroupBy(),
        };
        QueryRules.Check(query, items, _tokens[list]);
        return query;
    }

    private QueryCondition ReadCondition()
    {
        if (TakeKeyword("FROM"))
        {
            _next--;
            ReadSource();
            return new QueryCondition(_source, TakeKeyword("WHERE") ? ReadExpression() : null);
        }

        return Current.Kind is TokenKind.End || TakeSymbol("*")
            ? new QueryCondition(QuerySource.Devices, null)
            : new QueryCondition(QuerySource.Devices, ReadExpression());
    }

    private int? ReadTop()
    {
        if (!TakeKeyword("TOP"))
        {
            return null;
        }

        var token = Current;
        if (token.Kind is not TokenKind.Number || token.Number is < 1 or > int.MaxValue || token.Number != Math.Floor(token.Number))
        {
            throw Expected("a whole number from 1 after TOP");
        }

        _next++;
        return (int)token.Number;
    }

    private void SkipList()
    {
        // The first FROM ends the list: a path or alias of that name would be part of a path token, or stand after AS.
        while (Current.Kind is not TokenKind.End && (!IsKeyword("FROM") || _tokens[_next - 1].Text.Equals("AS", StringComparison.OrdinalIgnoreCase)))
        {
            _next++;
        }

        if (Current.Kind is TokenKind.End)
        {
            throw Expected("FROM");
        }
    }

    private void ReadSource()
    {
        ExpectKeyword("FROM");
        var token = Current;
        _source = (token.Kind is TokenKind.Word or TokenKind.Path ? token.Text.ToUpperInvariant() : "") switch
        {
            "DEVICES" => QuerySource.Devices,
            "DEVICES.MODULES" => QuerySource.Modules,
            "DEVICES.JOBS" => QuerySource.Jobs,
            _ => throw Expected("devices, devices.modules or devices.jobs after FROM"),
        };
        _next++;
        if (Current.Kind is TokenKind.Word && !IsKeyword("WHERE") && !IsKeyword("GROUP") && !IsKeyword("ORDER") && !IsKeyword("JOIN"))
        {
            _alias = Current.Text;
            _next++;
        }
    }

    private List<(QueryItem Item, int Offset)> ReadItems()
    {
        if (IsKeyword("DISTINCT"))
        {
            throw new QuerySyntaxException(Current.Offset, "DISTINCT is not part of the language: use GROUP BY");
        }

        if (TakeSymbol("*"))
        {
            return IsKeyword("FROM") ? [] : throw Expected("FROM after *");
        }

        var items = new List<(QueryItem Item, int Offset)>();
        var unnamed = 0;
        do
        {
            var offset = Current.Offset;
            if (items.Count == QueryLimits.MaxItems)
            {
                throw new QuerySyntaxException(offset, $"more than {QueryLimits.MaxItems} members of a row");
            }

            var item = ReadItem();
            if (TakeKeyword("AS"))
            {
                item = item with { Name = Current.Kind is TokenKind.Word ? Current.Text : throw Expected("a name after AS") };
                _next++;
            }
            else if (item.Aggregate is not null)
            {
                item = item with { Name = $"${++unnamed}" };
            }

            if (items.Exists(other => other.Item.Name == item.Name))
            {
                throw new QuerySyntaxException(
                    offset, $"a second member named {QuerySyntaxException.Quote(item.Name)}: give one of them another name with AS");
            }

            items.Add((item, offset));
        }
        while (TakeSymbol(","));
        return items;
    }

    private QueryItem ReadItem()
    {
        var token = Current;
        if (token.Kind is TokenKind.Word && _tokens[_next + 1] is { Kind: TokenKind.Symbol, Text: "(" } &&
            Enum.TryParse<QueryAggregate>(token.Text, ignoreCase: true, out var aggregate) && char.IsAsciiLetter(token.Text[0]))
        {
            _next += 2;
            if (aggregate is QueryAggregate.Count)
            {
                ExpectSymbol(")", "nothing between the parentheses of COUNT()");
                return new QueryItem("", aggregate, null);
            }

            var path = ReadPath($"a path in {token.Text.ToUpperInvariant()}(...)");
            ExpectSymbol(")", "')'");
            return new QueryItem("", aggregate, path);
        }

        var plain = ReadPath("*, a path or an aggregate (COUNT, AVG, SUM, MIN, MAX)");
        if (Current is { Kind: TokenKind.Symbol, Text: "(" })
        {
            throw new QuerySyntaxException(token.Offset, $"{QuerySyntaxException.Quote(token.Text)} is no aggregate: there are COUNT, AVG, SUM, MIN and MAX");
        }

        return new QueryItem(plain.LastName, null, plain);
    }

    private List<QueryPath> ReadGroupBy()
    {
        if (IsKeyword("ORDER"))
        {
            throw new QuerySyntaxException(Current.Offset, "ORDER BY is not part of the language: rows come by deviceId, then moduleId");
        }

        if (IsKeyword("JOIN"))
        {
            throw new QuerySyntaxException(Current.Offset, "JOIN is not part of the language");
        }

        var paths = new List<QueryPath>();
        if (!TakeKeyword("GROUP"))
        {
            return paths;
        }

        ExpectKeyword("BY");
        do
        {
            if (paths.Count == QueryLimits.MaxGroupPaths)
            {
                throw new QuerySyntaxException(Current.Offset, $"more than {QueryLimits.MaxGroupPaths} paths to group by");
            }

            paths.Add(ReadPath("a path to group by"));
        }
        while (TakeSymbol(","));
        return IsKeyword("ORDER") ? throw new QuerySyntaxException(Current.Offset, "ORDER BY is not part of the language") : paths;
    }

    private QueryPath ReadPath(string expected)
    {
        var token = Current;
        if (token.Kind is not (TokenKind.Word or TokenKind.Path) || (token.Kind is TokenKind.Word && QueryRules.IsReserved(token.Text)))
        {
            throw Expected(expected);
        }

        _next++;
        return QueryFields.Resolve(_source, _alias, token);
    }

    private QueryExpression ReadExpression()
    {
        Descend();
        var result = ReadChain(isAnd: false);
        _depth--;
        return result;
    }

    private QueryExpression ReadChain(bool isAnd)
    {
        var first = ReadOperand();
        var keyword = isAnd ? "AND" : "OR";
        if (!IsKeyword(keyword))
        {
            return first;
        }

        var operands = new List<QueryExpression> { first };
        while (TakeKeyword(keyword))
        {
            operands.Add(ReadOperand());
        }

        return Over(new Junction(first.Offset, isAnd, operands), [.. operands]);

        QueryExpression ReadOperand() => isAnd ? ReadInversion() : ReadChain(isAnd: true);
    }

    private QueryExpression ReadInversion()
    {
        var offset = Current.Offset;
        if (!TakeKeyword("NOT"))
        {
            return ReadComparison();
        }

        Descend();
        var operand = ReadInversion();
        _depth--;
        return Over(new Inversion(offset, operand), operand);
    }

    private QueryExpression ReadComparison()
    {
        var left = ReadSum();
        while (true)
        {
            var offset = Current.Offset;
            if (TakeKeyword("IN"))
            {
                left = Over(new Membership(offset, left, ReadList(), IsNegated: false), left);
            }
            else if (TakeKeyword("NIN"))
            {
                left = Over(new Membership(offset, left, ReadList(), IsNegated: true), left);
            }
            else if (Current.Kind is TokenKind.Symbol && ComparisonOf(Current.Text) is { } comparison)
            {
                _next++;
                var right = ReadSum();
                left = Over(new Comparison(offset, comparison, left, right), left, right);
            }
            else
            {
                return left;
            }
        }
    }

    private QueryExpression ReadSum() => ReadArithmetic(ReadProduct, "+", "-", "-");

    private QueryExpression ReadProduct() => ReadArithmetic(ReadUnary, "*", "/", "%");

    private QueryExpression ReadArithmetic(Func<QueryExpression> readOperand, string one, string two, string three)
    {
        var left = readOperand();
        while (Current is { Kind: TokenKind.Symbol } token && (token.Text == one || token.Text == two || token.Text == three))
        {
            _next++;
            var right = readOperand();
            left = Over(new Arithmetic(token.Offset, token.Text[0], left, right), left, right);
        }

        return left;
    }

    private QueryExpression ReadUnary()
    {
        var offset = Current.Offset;
        if (!TakeSymbol("-"))
        {
            return ReadPrimary();
        }

        Descend();
        var operand = ReadUnary();
        _depth--;
        return operand is QueryLiteral { Kind: ValueKind.Number } number
            ? number with { Offset = offset, Number = -number.Number }
            : Over(new Negation(offset, operand), operand);
    }

    private QueryExpression ReadPrimary()
    {
        var token = Current;
        if (TakeSymbol("("))
        {
            var inner = ReadExpression();
            ExpectSymbol(")", "')'");
            return inner;
        }

        if (TryReadLiteral() is { } literal)
        {
            return literal;
        }

        if (token.Kind is TokenKind.Word && _tokens[_next + 1] is { Kind: TokenKind.Symbol, Text: "(" } && !QueryRules.IsReserved(token.Text))
        {
            return ReadCall(token);
        }

        return new PathValue(token.Offset, ReadPath("a path, a literal, a function or '('"));
    }

    private QueryExpression ReadCall(Token name)
    {
        if (QueryRules.FindFunction(name.Text) is not { } function)
        {
            throw new QuerySyntaxException(name.Offset, QueryRules.DescribeUnknown(name.Text));
        }

        _next += 2;
        var first = ReadExpression();
        if (function is QueryFunction.StartsWith or QueryFunction.EndsWith)
        {
            ExpectSymbol(",", $"',' and the text to look for in {name.Text.ToUpperInvariant()}(path, text)");
            var fragment = ReadExpression();
            ExpectSymbol(")", "')'");
            return Over(new TextTest(name.Offset, function, first, fragment), first, fragment);
        }

        if (function is QueryFunction.IsDefined && first is not PathValue)
        {
            throw new QuerySyntaxException(first.Offset, "expected a path in IS_DEFINED(...)");
        }

        ExpectSymbol(")", $"')' after the one argument of {name.Text.ToUpperInvariant()}");
        return Over(new TypeTest(name.Offset, function, first), first);
    }

    private List<QueryLiteral> ReadList()
    {
        ExpectSymbol("[", "'[' and a list of literals");
        var elements = new List<QueryLiteral>();
        if (TakeSymbol("]"))
        {
            return elements;
        }

        do
        {
            if (elements.Count == QueryLimits.MaxListElements)
            {
                throw new QuerySyntaxException(Current.Offset, $"more than {QueryLimits.MaxListElements} elements in a list");
            }

            var offset = Current.Offset;
            var isNegative = TakeSymbol("-");
            var element = TryReadLiteral();
            if (element is null || (isNegative && element.Kind is not ValueKind.Number))
            {
                throw Expected("a literal in the list");
            }

            elements.Add(isNegative ? element with { Offset = offset, Number = -element.Number } : element);
        }
        while (TakeSymbol(","));
        ExpectSymbol("]", "',' or ']'");
        return elements;
    }

    private QueryLiteral? TryReadLiteral()
    {
        var token = Current;
        var literal = token.Kind switch
        {
            TokenKind.Text => new QueryLiteral(token.Offset, ValueKind.String, token.Text),
            TokenKind.Number => new QueryLiteral(token.Offset, ValueKind.Number, Number: token.Number),
            TokenKind.Word => token.Text.ToUpperInvariant() switch
            {
                "TRUE" => new QueryLiteral(token.Offset, ValueKind.Boolean, Boolean: true),
                "FALSE" => new QueryLiteral(token.Offset, ValueKind.Boolean),
                "NULL" => new QueryLiteral(token.Offset, ValueKind.Null),
                "UNDEFINED" => new QueryLiteral(token.Offset, ValueKind.Undefined),
                _ => null,
            },
            _ => null,
        };
        if (literal is not null)
        {
            _next++;
        }

        return literal;
    }

    private static ComparisonOperator? ComparisonOf(string symbol) => symbol switch
    {
        "=" => ComparisonOperator.Equal,
        "!=" or "<>" => ComparisonOperator.NotEqual,
        "<" => ComparisonOperator.Less,
        "<=" => ComparisonOperator.LessOrEqual,
        ">" => ComparisonOperator.Greater,
        ">=" => ComparisonOperator.GreaterOrEqual,
        _ => null,
    };

    private void Descend()
    {
        if (++_depth > QueryLimits.MaxDepth)
        {
            throw new QuerySyntaxException(Current.Offset, $"more than {QueryLimits.MaxDepth} levels");
        }
    }

    // A chain of operators leans to the left and is as deep as it is long; what walks trees and SQL itself has a bound too.
    private static QueryExpression Over(QueryExpression node, params ReadOnlySpan<QueryExpression> operands)
    {
        var depth = 1;
        foreach (var operand in operands)
        {
            depth = Math.Max(depth, operand.Depth + 1);
        }

        return depth <= QueryLimits.MaxDepth
            ? node with { Depth = depth }
            : throw new QuerySyntaxException(node.Offset, $"more than {QueryLimits.MaxDepth} levels");
    }

    private bool IsKeyword(string keyword) => Current.Kind is TokenKind.Word && Current.Text.Equals(keyword, StringComparison.OrdinalIgnoreCase);

    private bool TakeKeyword(string keyword) => Take(IsKeyword(keyword));

    private bool TakeSymbol(string symbol) => Take(Current.Kind is TokenKind.Symbol && Current.Text == symbol);

    private bool Take(bool isThere)
    {
        _next += isThere ? 1 : 0;
        return isThere;
    }

    private void ExpectKeyword(string keyword)
    {
        if (!TakeKeyword(keyword))
        {
            throw Expected(keyword);
        }
    }

    private void ExpectSymbol(string symbol, string expected)
    {
        if (!TakeSymbol(symbol))
        {
            throw Expected(expected);
        }
    }

    private void ExpectEnd()
    {
        if (Current.Kind is not TokenKind.End)
        {
            throw Expected("AND, OR or the end");
        }
    }

    private QuerySyntaxException Expected(string what) => new(Current.Offset, $"expected {what} but found {DescribeCurrent()}");

    private string DescribeCurrent() => Current.Kind switch
    {
        TokenKind.End => "the end",
        TokenKind.Text => $"the string {QuerySyntaxException.Quote(Current.Text)}",
        TokenKind.Number => $"the number {Current.Number}",
        _ => QuerySyntaxException.Quote(Current.Text),
    };
}
