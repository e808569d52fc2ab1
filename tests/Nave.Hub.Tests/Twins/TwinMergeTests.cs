using System.Text;
using System.Text.Json;
using Nave.Hub.Twins;

namespace Nave.Hub.Tests.Twins;

/// <summary>Merge patches of values and of the metadata that mirrors them (spec/service-rest.md 6.1 and 6.2).</summary>
public sealed class TwinMergeTests
{
    private static readonly DateTimeOffset Now = new(2016, 7, 19, 10, 0, 0, 123, TimeSpan.Zero);

    [Theory]
    [InlineData("{}", "{}", "{}")]
    [InlineData("""{"a":1}""", """{"b":2}""", """{"a":1,"b":2}""")]
    [InlineData("""{"a":1,"b":2}""", """{"a":null}""", """{"b":2}""")]
    [InlineData("""{"a":{"b":1,"c":2}}""", """{"a":{"b":null,"d":3}}""", """{"a":{"c":2,"d":3}}""")]
    [InlineData("""{"a":{"b":1}}""", """{"a":5}""", """{"a":5}""")]
    [InlineData("""{"a":5}""", """{"a":{"b":{"c":null,"d":1}}}""", """{"a":{"b":{"d":1}}}""")]
    [InlineData("""{"a":[1,2]}""", """{"a":[3]}""", """{"a":[3]}""")]
    [InlineData("""{"a":{"b":1}}""", """{"a":{"b":null}}""", """{"a":{}}""")]
    [InlineData("""{"a":1}""", """{"b":null,"c":{"d":null}}""", """{"a":1,"c":{}}""")]
    [InlineData("""{"a":"é<&'+","n":1.0}""", """{"b":"\u00e9\""}""", """{"a":"é<&'+","n":1.0,"b":"\u00e9\""}""")]
    [InlineData("""{"a":1,"b":1}""", """{"\u0061":2}""", """{"a":2,"b":1}""")]
    [InlineData("""{"\u0061":1,"b":1}""", """{"a":null}""", """{"b":1}""")]
    [InlineData("""{"\u0061":{"b":1}}""", """{"\u0061":{"c":2}}""", """{"\u0061":{"b":1,"c":2}}""")]
    [InlineData("""{"A":1}""", """{"a":2}""", """{"A":1,"a":2}""")]
    public void Values_merge_as_the_rfc_says(string current, string patch, string expected) =>
        Assert.Equal(expected, Merge(current, patch));

    [Fact]
    public void Many_members_merge_as_few_do()
    {
        var current = "{" + string.Join(',', Enumerable.Range(0, 50).Select(i => $"\"k{i}\":{i}")) + "}";
        var patch = "{" + string.Join(',', Enumerable.Range(25, 50).Select(i => $"\"k{i}\":{(i % 2 == 0 ? "null" : "\"new\"")}")) + "}";

        var merged = JsonDocument.Parse(Merge(current, patch)).RootElement;

        for (var i = 0; i < 75; i++)
        {
            var isThere = merged.TryGetProperty($"k{i}", out var value);
            Assert.Equal(i < 25 || i % 2 == 1, isThere);
            Assert.Equal(i < 25 ? $"{i}" : i % 2 == 1 ? "new" : "", value.ToString());
        }
    }

    [Fact]
    public void Metadata_mirrors_the_values_and_stamps_what_was_named_and_all_above()
    {
        const string Before = """{"$lastUpdated":"T0","$lastUpdatedVersion":1,"a":{"$lastUpdated":"T0","b":{"$lastUpdated":"T0"},"c":{"$lastUpdated":"T0"}},"e":{"$lastUpdated":"T0"}}""";

        var after = Metadata(Before, """{"a":{"b":null,"d":{"x":[1]}}}""", version: 7);

        const string Stamp = "\"$lastUpdated\":\"2016-07-19T10:00:00.1230000Z\",\"$lastUpdatedVersion\":7";
        Assert.Equal(
            "{" + Stamp + ",\"a\":{" + Stamp + ",\"c\":{\"$lastUpdated\":\"T0\"},\"d\":{" + Stamp + ",\"x\":{" + Stamp + "}}},\"e\":{\"$lastUpdated\":\"T0\"}}",
            after);
    }

    [Fact]
    public void A_value_in_the_place_of_an_object_takes_its_nodes_away()
    {
        const string Before = """{"$lastUpdated":"T0","a":{"$lastUpdated":"T0","b":{"$lastUpdated":"T0"}}}""";
        const string Stamp = "\"$lastUpdated\":\"2016-07-19T10:00:00.1230000Z\",\"$lastUpdatedVersion\":7";

        Assert.Equal("{" + Stamp + ",\"a\":{" + Stamp + "}}", Metadata(Before, """{"a":5}""", version: 7));
    }

    [Fact]
    public void Metadata_of_reported_properties_is_a_number_for_each_value() => Assert.Equal(
        """{"":636045192001230000,"a":{"":636045192001230000,"c":1,"d":636045192001230000},"e":{"":1}}""",
        Metadata("""{"":1,"a":{"":1,"b":1,"c":1},"e":{"":1}}""", """{"a":{"b":null,"d":[1]}}""", version: null));

    [Fact]
    public void A_device_sees_values_and_versions_only() => Assert.Equal(
        """{"desired":{"mode":"eco","$version":12},"reported":{"$version":1}}""",
        Encoding.UTF8.GetString(TwinText.ForDevice("""{"mode":"eco"}"""u8, 12, "{}"u8, 1)));

    private static string Merge(string current, string patch)
    {
        using var left = JsonDocument.Parse(current);
        using var right = JsonDocument.Parse(patch);
        return Encoding.UTF8.GetString(TwinMerge.Values(left.RootElement, right.RootElement));
    }

    private static string Metadata(string current, string patch, long? version)
    {
        using var left = JsonDocument.Parse(current);
        using var right = JsonDocument.Parse(patch);
        return Encoding.UTF8.GetString(TwinMerge.Metadata(left.RootElement, right.RootElement, version is { } number ? TwinStamp.OfDesired(Now, number) : TwinStamp.OfReported(Now.UtcTicks)));
    }
}
