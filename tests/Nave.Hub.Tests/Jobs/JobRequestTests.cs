using System.Text.Json;
using Nave.Hub.Jobs;
using Nave.Protocol.Errors;
using Nave.Tests;

namespace Nave.Hub.Tests.Jobs;

/// <summary>What is a job and what is not (spec/service-rest.md 9).</summary>
public sealed class JobRequestTests
{
    private static readonly DateTimeOffset Now = new(2026, 2, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    [Conformance("service-rest", 26)]
    public void A_body_of_the_dotnet_client_is_read()
    {
        // The member that is not used is null, the used one full of nulls; seven digits.
        var job = Read("""
            {"jobId":"j-1","type":"scheduleUpdateTwin","cloudToDeviceMethod":null,"queryCondition":"tags.site = 'north'",
             "updateTwin":{"deviceId":null,"etag":"*","version":null,"tags":{"wave":2},"properties":{"desired":{},"reported":{}}},
             "startTime":"2026-02-01T13:00:00.1234567Z","maxExecutionTimeInSeconds":60}
            """).Value!;

        Assert.Equal(
            (JobType.ScheduleUpdateTwin, JobStatus.Scheduled, "tags.site = 'north'", TimeSpan.FromSeconds(60)),
            (job.Type, job.Status, job.QueryCondition, job.MaxExecutionTime));
        Assert.Equal(Now + TimeSpan.FromHours(1) + TimeSpan.FromTicks(1234567), job.StartAt);
    }

    [Theory]
    [InlineData("")]
    [InlineData(""","startTime":"2001-01-01T00:00:00Z" """)]
    [InlineData(""","startTime":null,"maxExecutionTimeInSeconds":0 """)]
    public void Without_a_time_to_come_a_job_starts_now_and_has_an_hour(string more)
    {
        var job = Read($$"""{"type":"ScheduleDeviceMethod","cloudToDeviceMethod":{"methodName":"m"}{{more}}}""").Value!;

        Assert.Equal((JobStatus.Queued, Now, "*", TimeSpan.FromHours(1)), (job.Status, job.StartAt, job.QueryCondition, job.MaxExecutionTime));
    }

    [Fact]
    public void A_list_of_ids_is_a_condition_in_other_words()
    {
        var job = Read("""{"type":"scheduleDeviceMethod","cloudToDeviceMethod":{"methodName":"m"},"deviceIds":["a","b'c"]}""").Value!;

        Assert.Equal(@"deviceId IN ['a', 'b\'c']", job.QueryCondition);
    }

    [Theory]
    [InlineData("""[]""", HubErrorCode.IotHubFormatError)]
    [InlineData("""{"type":"export"}""", HubErrorCode.ArgumentInvalid)]
    [InlineData("""{"type":"1","cloudToDeviceMethod":{"methodName":"m"}}""", HubErrorCode.ArgumentInvalid)]
    [InlineData("""{"type":"scheduleUpdateTwin"}""", HubErrorCode.ArgumentNull)]
    [InlineData("""{"jobId":"other","type":"scheduleUpdateTwin","updateTwin":{}}""", HubErrorCode.ArgumentInvalid)]
    [InlineData("""{"type":"scheduleUpdateTwin","updateTwin":{"tags":{"a.b":1}}}""", HubErrorCode.ArgumentInvalid)]
    [InlineData("""{"type":"scheduleUpdateTwin","updateTwin":{},"queryCondition":"tags.site ="}""", HubErrorCode.ArgumentInvalid)]
    [InlineData("""{"type":"scheduleUpdateTwin","updateTwin":{},"startTime":"tomorrow"}""", HubErrorCode.ArgumentInvalid)]
    [InlineData("""{"type":"scheduleUpdateTwin","updateTwin":{},"maxExecutionTimeInSeconds":-1}""", HubErrorCode.ArgumentInvalid)]
    [InlineData("""{"type":"scheduleDeviceMethod","cloudToDeviceMethod":{"methodName":7}}""", HubErrorCode.ArgumentInvalid)]
    public void What_could_never_run_is_refused(string body, HubErrorCode code) => Assert.Equal(code, Read(body).Failure?.Code);

    [Theory]
    [InlineData("")]
    [InlineData("a/b")]
    [InlineData("a b")]
    [InlineData("12345678901234567890123456789012345678901234567890123456789012345")]
    public void An_id_has_its_characters(string id) =>
        Assert.Equal(
            HubErrorCode.ArgumentInvalid,
            JobRequest.Read(id, JsonDocument.Parse("""{"type":"scheduleUpdateTwin","updateTwin":{}}""").RootElement, Now).Failure?.Code);

    private static Outcome<Job> Read(string body) => JobRequest.Read("j-1", JsonDocument.Parse(body).RootElement, Now);
}
