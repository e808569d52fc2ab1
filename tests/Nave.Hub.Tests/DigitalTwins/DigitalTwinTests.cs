using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Nave.Hub.DigitalTwins;
using Nave.Hub.Twins;
using static Nave.Hub.Tests.Devices.RegistryHarness;

namespace Nave.Hub.Tests.DigitalTwins;

/// <summary>Device twins read and patched as digital twins.</summary>
public sealed class DigitalTwinTests
{
    [Fact]
    public void A_twin_reads_as_properties_components_and_what_was_asked_and_answered()
    {
        var twin = Twin(
            desired: """{"rate":5,"thermostat":{"__t":"c","target":20.4}}""",
            desiredMetadata: """
                {"$lastUpdated":"t","rate":{"$lastUpdated":"t","$lastUpdatedVersion":3},
                 "thermostat":{"$lastUpdated":"t","target":{"$lastUpdated":"t","$lastUpdatedVersion":4}}}
                """,
            reported: """
                {"serial":"s-1","config":{"a":1},"rate":{"value":4,"ac":200,"av":2,"ad":"soon"},
                 "thermostat":{"__t":"c","target":{"value":20,"ac":203,"av":4},"max":25.5}}
                """,
            reportedMetadata: """
                {"$lastUpdated":"r0","serial":{"$lastUpdated":"r1"},"config":{"$lastUpdated":"r2","a":{"$lastUpdated":"r2"}},"rate":{"$lastUpdated":"r3"},
                 "thermostat":{"$lastUpdated":"r4","target":{"$lastUpdated":"r5"},"max":{"$lastUpdated":"r6"}}}
                """);

        var document = DigitalTwinDocument.Of(Id("dev"), twin);

        AssertJson(
            """
            {"$dtId":"dev","serial":"s-1","config":{"a":1},"rate":4,
             "thermostat":{"target":20,"max":25.5,"$metadata":{
                "target":{"desiredValue":20.4,"desiredVersion":4,"ackVersion":4,"ackCode":203,"lastUpdateTime":"r5"},"max":{"lastUpdateTime":"r6"}}},
             "$metadata":{"$model":"dtmi:a:b;1","serial":{"lastUpdateTime":"r1"},"config":{"lastUpdateTime":"r2"},
                "rate":{"desiredValue":5,"desiredVersion":3,"ackVersion":2,"ackCode":200,"ackDescription":"soon","lastUpdateTime":"r3"}}}
            """,
            document);
    }

    [Fact]
    public void What_was_asked_for_and_never_answered_is_metadata_only()
    {
        var document = DigitalTwinDocument.Of(Id("dev"), Twin("""{"rate":5}""", """{"rate":{"$lastUpdatedVersion":2}}"""));

        Assert.False(document.ContainsKey("rate"));
        AssertJson("""{"desiredValue":5,"desiredVersion":2}""", document["$metadata"]!["rate"]!);
    }

    [Theory]
    [InlineData("""[{"op":"add","path":"/rate","value":5}]""", "{}", "{}", """{"rate":5}""")]
    [InlineData("""[{"op":"replace","path":"/rate","value":{"x":1}}]""", """{"rate":{"x":0,"y":2}}""", "{}", """{"rate":{"x":1,"y":null}}""")]
    [InlineData("""[{"op":"remove","path":"/rate"}]""", """{"rate":5}""", "{}", """{"rate":null}""")]
    [InlineData("""[{"op":"remove","path":"/rate"}]""", "{}", "{}", null)]
    [InlineData("""[{"op":"replace","path":"/rate","value":5}]""", """{"rate":5}""", "{}", null)]
    [InlineData("""[{"op":"add","path":"/t/target","value":1}]""", "{}", "{}", """{"t":{"__t":"c","target":1}}""")]
    [InlineData("""[{"op":"add","path":"/t/target","value":1}]""", "{}", """{"t":{"__t":"c","max":1}}""", """{"t":{"__t":"c","target":1}}""")]
    [InlineData("""[{"op":"replace","path":"/config/a","value":1}]""", """{"config":{"a":0,"b":2}}""", "{}", """{"config":{"a":1}}""")]
    [InlineData("""[{"op":"add","path":"/t","value":{"target":1,"$metadata":{}}}]""", "{}", "{}", """{"t":{"target":1,"__t":"c"}}""")]
    [InlineData("""[{"op":"remove","path":"/t/target"}]""", """{"t":{"__t":"c","target":1}}""", "{}", """{"t":{"target":null}}""")]
    [InlineData("""[{"op":"add","path":"/a","value":1},{"op":"remove","path":"/a"}]""", "{}", "{}", null)]
    [InlineData("""[{"op":"add","path":"/a~1b~0c","value":1}]""", "{}", "{}", """{"a/b~c":1}""")]
    public void A_patch_becomes_a_change_of_desired_properties(string patch, string desired, string reported, string? expected)
    {
        using var json = JsonDocument.Parse(patch);
        var change = DigitalTwinPatch.Read(json.RootElement, Twin(desired, "{}", reported));

        Assert.True(change.Value is not null, change.Failure?.Message);
        if (expected is null)
        {
            Assert.Null(change.Value.Update);
        }
        else
        {
            AssertJson(expected, JsonNode.Parse(change.Value.Update!.Desired!.Json)!);
        }
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""[{"op":"add","path":"rate","value":1}]""")]
    [InlineData("""[{"op":"add","path":"/","value":1}]""")]
    [InlineData("""[{"op":"add","path":"/rate"}]""")]
    [InlineData("""[{"op":"add","path":"/rate","value":null}]""")]
    [InlineData("""[{"op":"move","path":"/rate","from":"/b"}]""")]
    [InlineData("""[{"op":"replace","path":"/$metadata/$model","value":"dtmi:x;1"}]""")]
    [InlineData("""[{"op":"add","path":"/a b","value":1}]""")]
    [InlineData("""[{"op":"add","path":"/a","value":{"b.c":1}}]""")]
    [InlineData("[5]")]
    public void A_patch_that_no_digital_twin_takes_is_refused(string patch)
    {
        using var json = JsonDocument.Parse(patch);

        Assert.Equal(400004, (int?)DigitalTwinPatch.Read(json.RootElement, Twin()).Failure?.Code);
    }

    private static TwinRow Twin(string desired = "{}", string desiredMetadata = "{}", string reported = "{}", string reportedMetadata = "{}") => new()
    {
        GenerationId = "1",
        Version = 2,
        ETagCounter = 1,
        DesiredVersion = 1,
        ReportedVersion = 1,
        ModelId = "dtmi:a:b;1",
        Tags = "{}"u8.ToArray(),
        Desired = Encoding.UTF8.GetBytes(desired),
        Reported = Encoding.UTF8.GetBytes(reported),
        DesiredMetadata = Encoding.UTF8.GetBytes(desiredMetadata),
        ReportedMetadata = Encoding.UTF8.GetBytes(reportedMetadata),
    };

    private static void AssertJson(string expected, JsonNode actual) =>
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(expected), actual), actual.ToJsonString());
}
