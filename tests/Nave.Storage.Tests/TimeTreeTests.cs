using System.Text;

namespace Nave.Storage.Tests;

/// <summary>How short trees of moments are written out, with <c>T</c> for a label; ONE is the moment 1, TWO that of TICKS.</summary>
public sealed class TimeTreeTests
{
    [Theory]
    [InlineData("1", """{"T":"ONE"}""")]
    [InlineData("""{"":0}""", """{"T":"0001-01-01T00:00:00Z"}""")]
    [InlineData("""{"":TICKS}""", """{"T":"TWO"}""")]
    [InlineData("""{"":1,"a":TICKS,"b":{"":1,"c":1}}""", """{"T":"ONE","a":{"T":"TWO"},"b":{"T":"ONE","c":{"T":"ONE"}}}""")]
    [InlineData("{}", "{}")]
    [InlineData("null", "{}")]
    [InlineData("""{"":1,"a":null,"b":[1,{"":2}],"c":{},"d":1}""", """{"T":"ONE","a":{},"b":{},"c":{},"d":{"T":"ONE"}}""")]
    public void Every_moment_becomes_a_member(string tree, string expected) => Assert.Equal(Filled(expected), Expand(tree));

    [Theory]
    [InlineData("""{"T":"TWO","a":{"T":"ONE","n":1}}""", """{"T":"TWO","a":{"T":"ONE","n":{"T":"ONE"}}}""")]
    [InlineData("""{"T":"TWO","a":{"T":"TWO"},"":1,"b":1}""", """{"T":"ONE","a":{"T":"TWO"},"b":{"T":"ONE"}}""")]
    [InlineData("""{"T":"TWO","a":{"T":"TWO","b":{"T":"\"\u0041"},"":1}}""", """{"T":"TWO","a":{"T":"ONE","b":{"T":"\"A"}}}""")]
    public void What_was_written_out_before_stays_until_its_moment_is_patched(string tree, string expected) => Assert.Equal(Filled(expected), Expand(tree));

    [Theory]
    [InlineData("""{"":1,"ä<\u0041\"\\":1}""", """ä<A\"\\""")]
    [InlineData("""{"":1,"\uD83D\uDE00":1}""", """\uD83D\uDE00""")]
    [InlineData("""{"":1,"\u0000":1}""", """\u0000""")]
    public void Names_are_those_of_the_tree(string tree, string name) =>
        Assert.Equal(Filled("""{"T":"ONE","NAME":{"T":"ONE"}}""").Replace("NAME", name, StringComparison.Ordinal), Expand(tree));

    [Theory]
    [InlineData("\"\\ud800\":{\"\":1,\"x\":[1]},")]
    [InlineData("\"\u00ff\":{\"\":1,\"x\":[1]},")]
    public void A_name_that_is_no_text_is_left_out_with_what_is_below(string member)
    {
        var tree = Encoding.Latin1.GetBytes("{\"\":1," + member + "\"b\":1}");

        Assert.Equal(Filled("""{"T":"ONE","b":{"T":"ONE"}}"""), Encoding.UTF8.GetString(TimeTree.Expand(tree, "T"u8)));
    }

    private static string Expand(string tree) => Encoding.UTF8.GetString(TimeTree.Expand(Encoding.UTF8.GetBytes(Filled(tree)), "T"u8));

    private static string Filled(string text) => text
        .Replace("ONE", "0001-01-01T00:00:00.0000001Z", StringComparison.Ordinal)
        .Replace("TWO", "2025-12-31T23:59:59.1234567Z", StringComparison.Ordinal)
        .Replace("TICKS", "639028223991234567", StringComparison.Ordinal);
}
