using Nave.Cli.Commands;

namespace Nave.Cli.Tests;

public sealed class QueryPointerTests
{
    [Fact]
    public void The_mark_stands_under_the_place_that_the_refusal_names()
    {
        const string refusal = "hub refused POST /devices/query: 400 ErrorCode:ArgumentInvalid;The query is invalid: expected ')' but found the end at line 2, column 9.";

        var pointed = QueryCommand.Pointed("SELECT * FROM devices\nWHERE\t(1", refusal);

        Assert.Equal("The query is invalid: expected ')' but found the end\n  WHERE (1\n          ^", pointed);
    }

    [Theory]
    [InlineData("401 Unauthorized")]
    [InlineData("The query is invalid: it has 9000 characters, and 8192 are allowed.")]
    [InlineData("The query is invalid: x at line 9, column 1.")]
    public void A_refusal_that_names_no_place_in_the_text_has_no_mark(string refusal) => Assert.Null(QueryCommand.Pointed("SELECT", refusal));
}
