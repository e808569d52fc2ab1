using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Nave.Conformance.Tests.Harness;
using Nave.Tests;

namespace Nave.Conformance.Tests;

/// <summary>Jobs with the unmodified Node service SDK, and over a kill.</summary>
public sealed class JobTests
{
    private const string Version = "api-version=2021-04-12";

    [Fact]
    [Conformance("service-rest", 26, 27, 28)]
    public async Task Jobs_update_twins_call_methods_are_listed_and_cancelled()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);

        var rows = await NodeClient.RunAsync(hub, "jobs.mjs", TimeSpan.FromMinutes(3), new Dictionary<string, string>(), stopping);

        NodeClient.AssertRows(rows, null, 26, 27, 28);
    }

    [Fact]
    public async Task A_job_that_is_killed_in_the_middle_goes_on_and_repeats_no_recorded_device()
    {
        const int devices = 600;
        const int concurrency = 4;
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping, "--set", $"Jobs:Concurrency={concurrency}");
        using (var registry = hub.CreateHttpClient("iothubowner"))
        {
            foreach (var page in Enumerable.Range(0, devices).Chunk(100))
            {
                using var added = await registry.PostAsJsonAsync(
                    $"devices?{Version}", page.Select(i => new { id = $"d{i}", importMode = "create", status = "enabled" }), stopping);
                Assert.Equal(HttpStatusCode.OK, added.StatusCode);
            }
        }

        using (var service = hub.CreateHttpClient("iothubowner"))
        {
            using var created = await service.PutAsJsonAsync(
                $"jobs/v2/j?{Version}",
                new { jobId = "j", type = "scheduleUpdateTwin", queryCondition = "*", updateTwin = new { etag = "*", properties = new { desired = new { n = 1 } } } },
                stopping);
            Assert.Equal(HttpStatusCode.OK, created.StatusCode);
            await UntilAsync(service, done => done >= devices / 10, stopping);
        }

        await hub.KillAsync(stopping);
        await hub.StartAgainAsync(stopping);

        using var again = hub.CreateHttpClient("iothubowner");
        var recorded = await UntilAsync(again, done => done == devices, stopping);
        Assert.Equal(devices, recorded);
        var versions = new List<long>();
        foreach (var i in Enumerable.Range(0, devices))
        {
            var twin = await again.GetFromJsonAsync<JsonElement>($"twins/d{i}?{Version}", stopping);
            versions.Add(twin.GetProperty("properties").GetProperty("desired").GetProperty("$version").GetInt64());
        }

        // Version 1 is the new twin, 2 the job; 3 only for who was under way at the kill.
        Assert.All(versions, version => Assert.InRange(version, 2, 3));
        Assert.InRange(versions.Count(version => version == 3), 0, concurrency);
    }

    private static async Task<long> UntilAsync(HttpClient service, Func<long, bool> isEnough, CancellationToken stopping)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        for (var i = 0; i < 3000; i++)
        {
            var job = await service.GetFromJsonAsync<JsonElement>($"jobs/v2/j?{Version}", stopping);
            var done = job.GetProperty("deviceJobStatistics").GetProperty("succeededCount").GetInt64();
            if (isEnough(done))
            {
                return done;
            }

            await timer.WaitForNextTickAsync(stopping);
        }

        throw new TimeoutException("The job does not get on.");
    }
}
