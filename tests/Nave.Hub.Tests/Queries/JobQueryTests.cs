using System.Text.Json;
using Nave.Hub.Jobs;
using Nave.Hub.Queries;
using Nave.Hub.Tests.Devices;
using Nave.Tests;

namespace Nave.Hub.Tests.Queries;

/// <summary><c>FROM devices.jobs</c> (spec/query-language.md A1, A5 18 and 19).</summary>
public sealed class JobQueryTests : IAsyncLifetime
{
    private QueryHarness _hub = null!;

    public async ValueTask InitializeAsync()
    {
        _hub = await QueryHarness.CreateAsync();
        var store = new JobStore(_hub.Registry.Database, _hub.Registry.Outbox, _hub.Registry.Time);
        var now = _hub.Registry.Time.GetUtcNow();
        foreach (var (id, type) in new[] { ("j-1", JobType.ScheduleUpdateTwin), ("j-2", JobType.ScheduleDeviceMethod) })
        {
            var job = new Job
            {
                Id = id,
                Type = type,
                Status = JobStatus.Running,
                QueryCondition = "*",
                Work = "{}"u8.ToArray(),
                CreatedAt = now,
                StartAt = now,
                MaxExecutionTime = TimeSpan.FromHours(1),
            };
            await store.AddAsync(job, 10, default);
            await store.AddDevicesAsync(id, [RegistryHarness.Id("pump-7"), RegistryHarness.Id("pump-8"), RegistryHarness.Id("pump-7/m")], default);
            await store.SetOutcomeAsync(
                job, RegistryHarness.Id("pump-8"), now, new DeviceOutcome(DeviceJobStatus.Failed, null, "DeviceNotOnline", "away"), default);
            if (type is JobType.ScheduleDeviceMethod)
            {
                var response = """{"status":200,"payload":{"a":[1,"x"]}}"""u8.ToArray();
                await store.SetOutcomeAsync(job, RegistryHarness.Id("pump-7"), now, new DeviceOutcome(DeviceJobStatus.Completed, response), default);
            }
        }
    }

    public ValueTask DisposeAsync() => _hub.DisposeAsync();

    [Theory]
    [InlineData("devices.jobs.jobId = 'j-1' AND devices.jobs.status = 'failed'", "pump-8 j-1")]
    [InlineData("deviceId = 'pump-7' AND jobType = 'scheduleUpdateTwin'", "pump-7 j-1,pump-7/m j-1")]
    [InlineData("status = 'pending' AND NOT IS_DEFINED(moduleId)", "pump-7 j-1")]
    [InlineData("outcome.deviceMethodResponse.status = 200", "pump-7 j-2")]
    [InlineData("outcome.deviceMethodResponse.payload.a[1] = 'x' AND IS_DEFINED(endTimeUtc)", "pump-7 j-2")]
    [InlineData("error.code = 'DeviceNotOnline' AND jobId != 'j-1'", "pump-8 j-2")]
    [InlineData("true", "pump-7 j-1,pump-7 j-2,pump-7/m j-1,pump-7/m j-2,pump-8 j-1,pump-8 j-2")]
    [Conformance("query-language", 1)]
    public async Task An_example_selects_what_the_file_says(string condition, string rows)
    {
        var page = await _hub.PageAsync($"SELECT * FROM devices.jobs WHERE {condition}");

        Assert.Equal("DeviceJob", page.ItemType);
        Assert.Equal(rows, string.Join(",", page.Rows.Select(NameOf)));
    }

    [Fact]
    public async Task Pages_of_jobs_give_each_row_once()
    {
        const string query = "SELECT TOP 5 * FROM devices.jobs";
        var first = await _hub.PageAsync(query, null, 2);
        var second = await _hub.PageAsync(query, first.Continuation, 2);
        var third = await _hub.PageAsync(query, second.Continuation, 2);

        Assert.Equal(
            ["pump-7 j-1", "pump-7 j-2", "pump-7/m j-1", "pump-7/m j-2", "pump-8 j-1"],
            first.Rows.Concat(second.Rows).Concat(third.Rows).Select(NameOf));
        Assert.Null(third.Continuation);
    }

    [Fact]
    public async Task Every_path_finds_what_the_row_shows()
    {
        string[] paths =
        [
            "deviceId", "moduleId", "jobId", "jobType", "status", "startTimeUtc", "endTimeUtc", "createdDateTimeUtc", "lastUpdatedDateTimeUtc", "outcome",
            "outcome.deviceMethodResponse", "outcome.deviceMethodResponse.payload.a[0]", "error", "error.code", "error.description", "error.nothing",
        ];
        var rows = (await _hub.PageAsync("SELECT * FROM devices.jobs")).Rows.Select(row => JsonDocument.Parse(row)).ToList();
        foreach (var path in paths)
        {
            var text = $"SELECT * FROM devices.jobs WHERE IS_DEFINED({path})";
            var where = QueryParser.Parse(text).Value!.Where;
            var expected = rows.Where(row => QueryOracle.Selects(where, row.RootElement)).Select(row => row.RootElement.GetRawText());
            Assert.Equal(expected, (await _hub.PageAsync(text)).Rows.Select(row => System.Text.Encoding.UTF8.GetString(row)));

            var parsed = ((PathValue)((TypeTest)where!).Operand).Path;
            if (rows.Select(row => QueryRows.Find(row.RootElement, parsed)).FirstOrDefault(value => value is { ValueKind: JsonValueKind.String }) is { } value)
            {
                Assert.NotEmpty((await _hub.PageAsync($"SELECT * FROM devices.jobs WHERE {path} = '{value.GetString()}'")).Rows);
            }
        }
    }

    private static string NameOf(byte[] row)
    {
        using var parsed = JsonDocument.Parse(row);
        var root = parsed.RootElement;
        var device = root.GetProperty("deviceId").GetString();
        return $"{(root.TryGetProperty("moduleId", out var module) ? $"{device}/{module}" : device)} {root.GetProperty("jobId")}";
    }
}
