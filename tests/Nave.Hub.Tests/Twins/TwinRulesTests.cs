using System.Text;
using System.Text.Json;
using Nave.Hub.Twins;
using Nave.Tests;

namespace Nave.Hub.Tests.Twins;

/// <summary>What a section may hold, and how large it is (spec/service-rest.md 6.3).</summary>
public sealed class TwinRulesTests
{
    private static readonly string Key1024 = new('k', 1024);
    private static readonly string Text4096 = new('t', 4096);

    public static TheoryData<string> Accepted => new(
        "{}",
        """{"a":1,"b":"x","c":true,"d":null,"e":[1,"x",{"f":[2]}],"g":{"h":1.5e300}}""",
        """{"a":4503599627370495,"b":-4503599627370496,"c":-1,"d":4503599627370496.0}""",
        $$"""{"{{Key1024}}":1}""",
        $$"""{"a":"{{Text4096}}"}""",
        """{"a":"\u0000 . $ "}""",
        """{"ключ":"värde","#x":1,"-":[],"a_b":{}}""",
        """{"a":[[[[[[[[[[1]]]]]]]]]]}""");

    public static TheoryData<string> Refused => new(
        "[]",
        "5",
        "null",
        """{"a.b":1}""",
        """{"$a":1}""",
        """{"a b":1}""",
        """{"a\u0001":1}""",
        """{"a\u0024b":1}""",
        """{"a\u0085":1}""",
        "{\"a\u0085\":1}",
        "{\"a\u007f\":1}",
        """{"a":{"$version":1}}""",
        """{"":1}""",
        $$"""{"{{Key1024}}k":1}""",
        $$"""{"a":"{{Text4096}}t"}""",
        """{"a":4503599627370496}""",
        """{"a":-4503599627370497}""",
        """{"a":9223372036854775808000}""",
        """{"a":[1,null]}""",
        """{"a":[{"b":null}]}""",
        """{"a":[{"b":{"c":null}}]}""",
        """{"a":"\ud800"}""",
        """{"\ud800":1}""",
        """{"a":[[[[[[[[[[[1]]]]]]]]]]]}""",
        """{"$version":1}""");

    [Theory]
    [MemberData(nameof(Accepted))]
    public void What_the_rules_allow_is_accepted(string section) => Assert.Null(Check(section)?.Message);

    [Theory]
    [Conformance("service-rest", 18)]
    [MemberData(nameof(Refused))]
    public void What_the_rules_forbid_is_an_invalid_argument(string section) => Assert.Equal(400_004, (int?)Check(section)?.Code);

    [Theory]
    [InlineData(new byte[] { 0x7B, 0x22, 0xFF, 0x22, 0x3A, 0x31, 0x7D })] // A name
    [InlineData(new byte[] { 0x7B, 0x22, 0x61, 0x22, 0x3A, 0x22, 0xC3, 0x22, 0x7D })] // A text
    public void A_document_that_is_not_UTF8_is_refused(byte[] json)
    {
        Assert.False(TwinRules.Parse(json).TryGet(out _, out var failure));
        Assert.Equal(400, failure.HttpStatus);
    }

    [Fact]
    [Conformance("service-rest", 18)]
    public void Ten_nested_objects_pass_and_eleven_do_not()
    {
        Assert.Null(Check(Nested(10)));
        Assert.NotNull(Check(Nested(11)));
    }

    [Fact]
    [Conformance("service-rest", 19)]
    public void Integers_end_at_two_to_the_fifty_second()
    {
        Assert.Null(Check("""{"a":4503599627370495}"""));
        Assert.NotNull(Check("""{"a":4503599627370496}"""));
    }

    [Fact]
    public void Marks_of_the_hub_are_looked_over_at_the_top_where_back_ends_write()
    {
        using var section = JsonDocument.Parse("""{"$version":1,"$metadata":{"a b":null},"a":1}""");

        Assert.Null(TwinRules.Check(section.RootElement, ignoresMarks: true));
    }

    [Theory]
    [InlineData("""{"a":""}""", false)]
    [InlineData("""{"a":1,"a":2}""", true)]
    [InlineData("""{"a":1,"\u0061":2}""", true)]
    [InlineData("""{"a":1}{""", true)]
    [InlineData("", true)]
    public void Json_names_each_member_once(string json, bool isRefused)
    {
        var outcome = TwinRules.Parse(Encoding.UTF8.GetBytes(json));

        Assert.Equal(isRefused, outcome.Failure is not null);
        outcome.Value?.Dispose();
    }

    [Theory]
    [InlineData("{}", 0)]
    [InlineData("""{"key":"värde"}""", 3 + 6)]
    [InlineData("""{"a":1,"b":-1.5e300,"c":true,"d":null}""", (1 + 8) + (1 + 8) + (1 + 4) + 1)]
    [InlineData("""{"a":[1,2,"xy",{"b":false}]}""", 1 + 8 + 8 + 2 + 1 + 4)]
    [InlineData("""{"a":"\u00e9\n\t\u0085\"x"}""", 1 + 2 + 1 + 1)]
    public void The_size_counts_keys_and_values(string section, int size)
    {
        using var parsed = JsonDocument.Parse(section);

        Assert.Equal(size, TwinSize.Count(parsed.RootElement));
        Assert.True(TwinSize.IsWithin(Encoding.UTF8.GetBytes(section), size));
        Assert.False(TwinSize.IsWithin(Encoding.UTF8.GetBytes(section), size - 1));
    }

    private static Nave.Protocol.Errors.HubFailure? Check(string section)
    {
        using var parsed = JsonDocument.Parse(section);
        return TwinRules.Check(parsed.RootElement, ignoresMarks: false);
    }

    private static string Nested(int objects) =>
        string.Concat(Enumerable.Repeat("{\"a\":", objects + 1)) + "1" + new string('}', objects + 1);
}
