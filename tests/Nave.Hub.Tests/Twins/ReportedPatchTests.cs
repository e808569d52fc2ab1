using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Nave.Hub.Devices;
using Nave.Hub.Tests.Devices;
using Nave.Hub.Tests.Harness;
using Nave.Hub.Twins;
using Nave.Protocol.Errors;
using Nave.Storage;

namespace Nave.Hub.Tests.Twins;

/// <summary>Patches of reported properties that the database merges by itself, and those that it must not.</summary>
public sealed class ReportedPatchTests : IAsyncLifetime
{
    private const string Larger = """{"a":1,"b":{"c":2,"d":{"e":3}},"f":[1,2],"g":"é\u00e9"}""";

    private RegistryHarness _hub = null!; // Set before each test.

    public async ValueTask InitializeAsync() => _hub = await RegistryHarness.CreateAsync();

    public async ValueTask DisposeAsync() => await _hub.DisposeAsync();

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"a":2,"h":{"i":{"j":1},"k":null}}""")]
    [InlineData("""{"a":null,"b":{"c":null,"x":1}}""")]
    [InlineData("""{"b":5}""", """{"b":{"n":1}}""", """{"b":{"n":null}}""")]
    [InlineData("""{"b":{"d":7}}""", """{"b":{"d":{"z":1}}}""")]
    [InlineData("""{"a":{"deep":{"er":1}}}""", """{"a":{"deep":{}}}""", """{"a":{}}""")]
    [InlineData("""{"f":[{"n":1.50},"x",true]}""", """{"f":{"g":1e3}}""")]
    [InlineData("""{"\u0061":7,"\u0067":"\"","ü":-0}""", """{"g":null,"\u00fc":1}""")]
    public async Task The_database_merges_as_we_do(params string[] patches)
    {
        var merged = await _hub.CreateAsync("merged");
        var known = new ReportedVersion();
        var written = await _hub.CreateAsync("written");
        await PatchAsync(merged, Larger, known);
        await PatchAsync(written, Larger, new ReportedVersion());

        foreach (var patch in patches)
        {
            _hub.Time.Advance(TimeSpan.FromSeconds(1.5));
            Assert.NotNull(known.Value);
            await PatchAsync(merged, patch, known);
            await PatchAsync(written, patch, new ReportedVersion()); // Nothing is known: the row is read.
        }

        var (left, right) = (await FindAsync(merged), await FindAsync(written));
        Assert.Equal(Encoding.UTF8.GetString(right.Reported), Encoding.UTF8.GetString(left.Reported));
        Assert.Equal(Encoding.UTF8.GetString(right.ReportedMetadata), Encoding.UTF8.GetString(left.ReportedMetadata));
        Assert.Equal((right.Version, right.ReportedVersion), (left.Version, left.ReportedVersion));
        Assert.Equal(patches.Length + 2, left.ReportedVersion);
    }

    [Fact]
    public async Task Metadata_tells_when_each_value_was_written()
    {
        var device = await _hub.CreateAsync("pump");
        var known = new ReportedVersion();
        await PatchAsync(device, """{"a":1,"b":{"c":2}}""", known);
        _hub.Time.Advance(TimeSpan.FromSeconds(1));
        await PatchAsync(device, """{"b":{"d":3}}""", known);

        const string First = """{"$lastUpdated":"2026-05-04T12:00:00.0000000Z"}""";
        const string Second = "\"$lastUpdated\":\"2026-05-04T12:00:01.0000000Z\"";
        Assert.Equal(
            "{" + Second + ",\"a\":" + First + ",\"b\":{" + Second + ",\"c\":" + First + ",\"d\":{" + Second + "}}}",
            Encoding.UTF8.GetString((await FindAsync(device)).ReportedMetadata));
    }

    [Fact]
    public async Task A_twin_that_was_never_patched_says_so()
    {
        var device = await _hub.CreateAsync("pump");

        Assert.Equal("""{"$lastUpdated":"0001-01-01T00:00:00Z"}""", Encoding.UTF8.GetString((await FindAsync(device)).ReportedMetadata));
    }

    [Fact]
    public async Task What_another_wrote_meanwhile_is_kept_and_counted()
    {
        var device = await _hub.CreateAsync("pump");
        var known = new ReportedVersion();
        await PatchAsync(device, """{"a":1}""", known);
        await PatchAsync(device, """{"b":1}""", new ReportedVersion()); // Another node.

        var outcome = await PatchAsync(device, """{"c":1}""", known);

        Assert.Equal(4, outcome.Version);
        Assert.Equal("""{"a":1,"b":1,"c":1}""", Encoding.UTF8.GetString((await FindAsync(device)).Reported));
        Assert.Equal(5, (await PatchAsync(device, """{"d":1}""", known)).Version);
    }

    [Fact]
    public async Task A_version_that_a_device_names_is_judged_by_the_row()
    {
        var device = await _hub.CreateAsync("pump");
        var known = new ReportedVersion();
        await PatchAsync(device, """{"a":1}""", known);

        Assert.Equal(HubErrorCode.PreconditionFailed, (await PatchAsync(device, """{"a":2}""", known, expected: 1)).Failure?.Code);
        Assert.Equal(3, (await PatchAsync(device, """{"a":3}""", known, expected: 2)).Version);
        Assert.Equal(4, (await PatchAsync(device, """{"a":4}""", known, expected: 3)).Version);
    }

    [Fact]
    public async Task A_known_version_opens_no_way_into_the_successor_of_an_identity()
    {
        var device = await _hub.CreateAsync("pump");
        var known = new ReportedVersion();
        await PatchAsync(device, """{"a":1}""", known);
        await _hub.Registry.DeleteAsync(device.Id, ETagCondition.Any, default);
        var successor = await _hub.CreateAsync("pump");
        await PatchAsync(successor, """{"b":1}""", new ReportedVersion()); // The version is the same.

        Assert.Equal(HubErrorCode.DeviceNotFound, (await PatchAsync(device, """{"a":2}""", known)).Failure?.Code);
        Assert.Equal("""{"b":1}""", Encoding.UTF8.GetString((await FindAsync(successor)).Reported));
    }

    [Fact]
    public async Task Small_patches_do_not_carry_a_twin_past_its_limit()
    {
        var device = await _hub.CreateAsync("pump");
        var known = new ReportedVersion();
        var limit = new TwinOptions().MaxReportedBytes;
        HubFailure? failure = null;
        for (var i = 0; failure is null && i < 1000; i++)
        {
            failure = (await PatchAsync(device, $$"""{"k{{i:D3}}":"{{new string('x', 96)}}"}""", known)).Failure;
        }

        Assert.Equal(HubErrorCode.ArgumentInvalid, failure?.Code);
        Assert.Equal(limit / 100, ((await FindAsync(device)).Reported.Length - 1) / 106); // 4 of the name, 96 of the value.
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Metadata_of_an_earlier_version_is_read_and_patched(bool isKnown)
    {
        const string Before = """{"$lastUpdated":"T0","a":{"$lastUpdated":"T1"},"b":{"$lastUpdated":"T2","c":{"$lastUpdated":"T3"}},"e":{"$lastUpdated":"T4","x":{"$lastUpdated":"T5"}}}""";
        using var directory = new TempDirectory();
        var path = directory.PathOf("nave.db");
        var earlier = RegistryHarness.Schema
            .Select(part => part.Name == RegistrySchema.Part.Name ? part with { Migrations = [.. part.Migrations.Take(2)] } : part)
            .ToArray();
        await using (var old = Open(path, earlier))
        {
            await old.WriteAsync(
                session =>
                {
                    session.Execute(
                        "INSERT INTO identities (device_id, module_id, generation_id, etag, is_enabled, auth_type, is_edge) VALUES ('pump', '', 'g', 'e', 1, 'sas', 0)");
                    session.Execute(
                        """
                        INSERT INTO twins (device_id, module_id, generation_id, version, etag_counter, desired_version, reported_version, tags, desired, reported,
                            desired_metadata, reported_metadata)
                        VALUES ('pump', '', 'g', 3, 1, 1, 2, jsonb('{}'), jsonb('{}'), jsonb('{"a":1,"b":{"c":2},"e":{"x":1}}'), '{}', @before)
                        """,
                        ("@before", Before));
                },
                default);
        }

        await using var database = Open(path, RegistryHarness.Schema);
        var id = RegistryHarness.Id("pump");
        Assert.Equal(Before, Encoding.UTF8.GetString(Metadata(await database.ReadAsync(session => TwinWriter.FindRow(session, id), default))));

        var known = new ReportedVersion();
        if (isKnown)
        {
            known.Is(new ReportedOutcome(2));
        }

        var patch = _hub.Twins.ReadPatch("g", """{"a":{"n":1},"b":{"d":1},"e":5}"""u8.ToArray(), null).Value!;
        Assert.Equal(3, (await database.WriteAsync(session => _hub.Twins.PatchReported(session, id, patch, known, tells: false), default)).Version);

        const string Now = "\"$lastUpdated\":\"2026-05-04T12:00:00.0000000Z\"";
        Assert.Equal(
            "{" + Now + ",\"a\":{" + Now + ",\"n\":{" + Now + "}},\"b\":{" + Now + ",\"c\":{\"$lastUpdated\":\"T3\"},\"d\":{" + Now + "}},\"e\":{" + Now + "}}",
            Encoding.UTF8.GetString(Metadata(await database.ReadAsync(session => TwinWriter.FindRow(session, id), default))));
    }

    private static byte[] Metadata(TwinRow? row) => row!.ReportedMetadata;

    private HubDatabase Open(string path, Nave.Storage.Schema.SchemaPart[] parts) =>
        HubDatabase.Open(new SqliteDialect(path), parts, _hub.Time, NullLogger<HubDatabase>.Instance);

    private Task<ReportedOutcome> PatchAsync(DeviceIdentity device, string json, ReportedVersion known, long? expected = null)
    {
        var patch = _hub.Twins.ReadPatch(device.GenerationId, Encoding.UTF8.GetBytes(json), expected).Value!;
        return _hub.Database.WriteAsync(session => _hub.Twins.PatchReported(session, device.Id, patch, known, _hub.Twins.TellsOfReported), default);
    }

    private Task<TwinRow> FindAsync(DeviceIdentity device) => _hub.Database.ReadAsync(session => TwinWriter.FindRow(session, device.Id)!, default);
}
