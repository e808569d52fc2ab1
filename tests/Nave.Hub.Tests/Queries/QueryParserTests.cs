using Nave.Hub.Queries;
using Nave.Protocol.Errors;
using Nave.Tests;

namespace Nave.Hub.Tests.Queries;

public sealed class QueryParserTests
{
    [Theory]
    [InlineData("SELEC * FROM devices", "expected SELECT but found 'SELEC'", 1, 1)]
    [InlineData("SELECT * FRM devices", "expected FROM but found the end", 1, 21)]
    [InlineData("SELECT * FROM", "expected devices, devices.modules or devices.jobs after FROM but found the end", 1, 14)]
    [InlineData("SELECT * FROM c", "expected devices, devices.modules or devices.jobs after FROM but found 'c'", 1, 15)]
    [InlineData("SELECT FROM devices", "expected *, a path or an aggregate (COUNT, AVG, SUM, MIN, MAX) but found 'FROM'", 1, 8)]
    [InlineData("SELECT *, deviceId FROM devices", "expected FROM after * but found ','", 1, 9)]
    [InlineData("SELECT TOP 0 * FROM devices", "expected a whole number from 1 after TOP but found the number 0", 1, 12)]
    [InlineData("SELECT * FROM devices WHERE", "expected a path, a literal, a function or '(' but found the end", 1, 28)]
    [InlineData("SELECT * FROM devices\nWHERE tags.a = ", "expected a path, a literal, a function or '(' but found the end", 2, 16)]
    [InlineData("SELECT * FROM devices WHERE tags.a == 1", "expected a path, a literal, a function or '(' but found '='", 1, 37)]
    [InlineData("SELECT * FROM devices WHERE (tags.a = 1", "expected ')' but found the end", 1, 40)]
    [InlineData("SELECT * FROM devices WHERE tags.a = 'x", "a string without its end", 1, 38)]
    [InlineData("SELECT * FROM devices WHERE tags.a = '\\q'", "an unknown escape", 1, 39)]
    [InlineData("SELECT * FROM devices WHERE tags.a IN 'x'", "expected '[' and a list of literals but found the string 'x'", 1, 39)]
    [InlineData("SELECT * FROM devices WHERE tags.a IN ['x' 'y']", "expected ',' or ']' but found the string 'y'", 1, 44)]
    [InlineData("SELECT * FROM devices WHERE tags.a IN [tags.b]", "expected a literal in the list but found 'tags.b'", 1, 40)]
    [InlineData("SELECT * FROM devices WHERE tags.a = 1 tags.b = 2", "expected AND, OR or the end but found 'tags.b'", 1, 40)]
    [InlineData("SELECT * FROM devices WHERE tags. = 1", "expected a name after the dot (an odd one as [[name]])", 1, 34)]
    [InlineData("SELECT * FROM devices WHERE tags.a[x] = 1", "expected AND, OR or the end but found '['", 1, 35)]
    [InlineData("SELECT * FROM devices WHERE tags.[[a = 1", "a quoted name without its end (]])", 1, 34)]
    [InlineData("SELECT * FROM devices WHERE CONTAINS(tags.a, 'x')", "there is no function 'CONTAINS'", 1, 29)]
    [InlineData("SELECT * FROM devices WHERE STARTSWITH(tags.a)", "expected ',' and the text to look for in STARTSWITH(path, text) but found ')'", 1, 46)]
    [InlineData("SELECT * FROM devices WHERE IS_DEFINED('a')", "expected a path in IS_DEFINED(...)", 1, 40)]
    [InlineData("SELECT * FROM devices WHERE property.reported.a = 1", "expected properties.desired or properties.reported, found 'property'", 1, 29)]
    [InlineData("SELECT * FROM devices;", "';' means nothing here (a query is one statement without an end mark)", 1, 22)]
    [InlineData("SELECT * FROM devices WHERE tags.é = 1", "expected a name after the dot", 1, 34)]
    [InlineData("SELECT * FROM devices WHERE tags.a = 12abc", "a malformed number", 1, 38)]
    [InlineData("SELECT * FROM devices WHERE tags.a = 1e999", "a malformed number", 1, 38)]
    [InlineData("SELECT COUNT(*) FROM devices", "expected nothing between the parentheses of COUNT() but found '*'", 1, 14)]
    [InlineData("SELECT MEDIAN(tags.a) FROM devices", "'MEDIAN' is no aggregate", 1, 8)]
    [InlineData("SELECT tags.a, properties.desired.a FROM devices", "a second member named 'a'", 1, 16)]
    [InlineData("SELECT COUNT() AS n, tags.a FROM devices GROUP BY tags.b", "'a' is neither an aggregate nor in GROUP BY", 1, 22)]
    [InlineData("SELECT * FROM devices GROUP BY tags.a", "expected aggregates and paths of GROUP BY after SELECT but found '*'", 1, 8)]
    [InlineData("SELECT deviceId FROM devices.jobs", "expected SELECT * without GROUP BY", 1, 8)]
    [InlineData("SELECT COUNT() AS n FROM devices.jobs", "expected SELECT * without GROUP BY", 1, 8)]
    [InlineData("SELECT * FROM devices.jobs WHERE tags.a = 1", "'tags' is of twins", 1, 34)]
    [InlineData("SELECT * FROM devices /* WHERE", "a comment without its end", 1, 23)]
    [InlineData("", "expected SELECT but found the end", 1, 1)]
    public void A_broken_query_is_refused_with_the_place(string query, string problem, int line, int column)
    {
        var failure = QueryParser.Parse(query).Failure;

        Assert.Equal(HubErrorCode.ArgumentInvalid, failure?.Code);
        Assert.StartsWith($"The query is invalid: {problem.Replace(';', ',')}", failure!.Message, StringComparison.Ordinal);
        Assert.EndsWith($" at line {line}, column {column}.", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [Conformance("query-language", 29)]
    [InlineData("SELECT * FROM devices ORDER BY deviceId", "ORDER BY is not part of the language", 23)]
    [InlineData("SELECT DISTINCT tags.a FROM devices", "DISTINCT is not part of the language", 8)]
    [InlineData("SELECT * FROM devices JOIN tags.a", "JOIN is not part of the language", 23)]
    [InlineData("SELECT * FROM devices WHERE tags.a = 1 ORDER BY deviceId DESC", "ORDER BY is not part of the language", 40)]
    public void What_other_languages_have_is_refused_by_name(string query, string problem, int column)
    {
        var failure = QueryParser.Parse(query).Failure;

        Assert.Equal(400, failure?.HttpStatus);
        Assert.Contains(problem, failure!.Message, StringComparison.Ordinal);
        Assert.EndsWith($" at line 1, column {column}.", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("select * from devices")]
    [InlineData("SeLeCt\t*\r\nfRoM\n\tdevices WhErE tags.a NiN ['x'] aNd nOt Is_Defined(tags.b)")]
    [InlineData("SELECT /* all */ * FROM devices /* of them */")]
    [InlineData("SELECT * FROM Devices.Modules")]
    [InlineData("SELECT c.tags.a FROM devices c WHERE c.tags.a = 1")]
    [InlineData("SELECT TOP 10 * FROM devices WHERE devices.tags.a = -0x1F")]
    [InlineData("SELECT COUNT() FROM devices")]
    [InlineData("SELECT tags.select AS from_ FROM devices WHERE tags.where = 'x'")]
    [InlineData("SELECT * FROM devices WHERE tags.a IN[5]")]
    [InlineData("SELECT * FROM devices WHERE tags.a IN []")]
    [InlineData("SELECT tags.[[a b.c]].$x[0][1] FROM devices")]
    [InlineData("SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'j' AND Status = \"failed\"")]
    [Conformance("query-language", 2)]
    public void Keywords_have_any_case_and_blanks_are_free(string query) => Assert.Null(QueryParser.Parse(query).Failure?.Message);

    [Fact]
    [Conformance("query-language", 3)]
    public void A_query_of_8192_characters_is_read_and_one_more_is_refused()
    {
        const string begin = "SELECT * FROM devices WHERE tags.a = '";
        var longest = begin + new string('x', 8192 - begin.Length - 1) + "'";

        Assert.Null(QueryParser.Parse(longest).Failure);
        Assert.Equal(HubErrorCode.ArgumentInvalid, QueryParser.Parse(longest + " ").Failure?.Code);
    }

    [Theory]
    [InlineData("(", "1", ")")]
    [InlineData("NOT ", "true", "")]
    [InlineData("- ", "tags.a", "")]
    [InlineData("", "1", " + 1")]
    [InlineData("", "1", " = 1")]
    [InlineData("", "1", " IN [1]")]
    [InlineData("IS_NULL(", "tags.a", ")")]
    [InlineData("(1 + 1 + 1 + ", "1", ")")]
    [InlineData("(", "1", " + 1 + 1 + 1)")]
    public void Nesting_is_bounded_and_says_where(string before, string inner, string after)
    {
        const string begin = "SELECT * FROM devices WHERE ";
        var repeats = (8192 - begin.Length - inner.Length) / (before.Length + after.Length);
        var query = begin + string.Concat(Enumerable.Repeat(before, repeats)) + inner + string.Concat(Enumerable.Repeat(after, repeats));

        Assert.Contains("more than 50 levels at line 1, column ", QueryParser.Parse(query).Failure?.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Lists_are_bounded()
    {
        var query = $"SELECT * FROM devices WHERE tags.a IN [{string.Join(',', Enumerable.Repeat("1", 1001))}]";
        var items = string.Join(',', Enumerable.Range(0, 101).Select(i => $"tags.a{i}"));
        var path = string.Concat(Enumerable.Repeat(".a", 40));

        Assert.Contains("more than 1000 elements", QueryParser.Parse(query).Failure?.Message, StringComparison.Ordinal);
        Assert.Contains("more than 100 members", QueryParser.Parse($"SELECT {items} FROM devices").Failure?.Message, StringComparison.Ordinal);
        Assert.Contains("more than 32 segments", QueryParser.Parse($"SELECT tags{path} FROM devices").Failure?.Message, StringComparison.Ordinal);
    }

    // Any text: a tree or a refusal, never another exception. Pieces of the language, in any order.
    [Fact]
    public void Any_text_is_a_query_or_refused_with_a_place()
    {
        string[] pieces =
        [
            "SELECT", " ", "*", "FROM", "devices", ".modules", " WHERE ", "tags", ".", "[[", "]]", "[", "]", "0", "1e", "0x", "'", "\"", "\\u12", "(", ")",
            "IN", "NIN", "NOT ", "AND", "OR", "-", "%", "=", "<>", "!", ",", "GROUP BY", "COUNT(", "AVG(", "IS_DEFINED(", "STARTSWITH(", "/*", "*/", "\n",
            "\0", "é", "\ud800", ";", "TOP ", "AS", "$version", "null", "undefined", "true",
        ];
        var random = new Random(4711);
        for (var i = 0; i < 5000; i++)
        {
            var text = (random.Next(2) == 0 ? "SELECT * FROM devices WHERE " : "") +
                string.Concat(Enumerable.Range(0, random.Next(1, 25)).Select(_ => pieces[random.Next(pieces.Length)]));

            var outcome = QueryParser.Parse(text);

            Assert.True(outcome.Value is not null || outcome.Failure!.Message.Contains(" at line ", StringComparison.Ordinal), text);
        }
    }

    [Theory]
    [InlineData(null, "Devices", true)]
    [InlineData("", "Devices", true)]
    [InlineData(" * ", "Devices", true)]
    [InlineData("tags.site = 'north'", "Devices", false)]
    [InlineData("FROM devices.modules WHERE moduleId = 'm'", "Modules", false)]
    [InlineData("from devices.modules", "Modules", true)]
    public void A_condition_stands_alone(string? text, string source, bool isAll)
    {
        var condition = QueryParser.ParseCondition(text).Value!;

        Assert.Equal(source, condition.Source.ToString());
        Assert.Equal(isAll, condition.Where is null);
    }

    [Theory]
    [InlineData("tags.site =", "column 12.")]
    [InlineData("* AND tags.a = 1", "column 3.")]
    [InlineData("SELECT * FROM devices", "column 1.")]
    public void A_broken_condition_names_the_place(string text, string place) =>
        Assert.EndsWith(place, QueryParser.ParseCondition(text).Failure!.Message, StringComparison.Ordinal);
}
