using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Nave.Hub.Jobs;
using Nave.Hub.Quotas;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Http;

/// <summary>Jobs over REST (spec/service-rest.md 9). Import and export jobs come with a later issue.</summary>
internal sealed class JobEndpoints(JobStore store, JobScheduler scheduler, JobOptions options, TimeProvider time)
{
    // A twin update of two sections of 32 KB, or a method's 128 KB, as JSON.
    private const int MaxBodyBytes = 512 * 1024;

    private const int DefaultPage = 100;
    private const int MaxPage = 1000;

    public void Map(ServiceRoutes routes)
    {
        routes.Map(HttpMethods.Get, "/jobs/v2/query", AccessRights.ServiceConnect, Metered.JobOperations, ListAsync);
        routes.Map(HttpMethods.Get, "/jobs/v2/{jobId}", AccessRights.ServiceConnect, Metered.JobOperations, GetAsync);
        routes.Map(HttpMethods.Put, "/jobs/v2/{jobId}", AccessRights.ServiceConnect, Metered.JobOperations, CreateAsync);
        routes.Map(HttpMethods.Post, "/jobs/v2/{jobId}/cancel", AccessRights.ServiceConnect, Metered.JobOperations, CancelAsync);
    }

    private async ValueTask<ServiceAnswer> CreateAsync(ServiceCall call)
    {
        if (!(await call.ReadBytesAsync(MaxBodyBytes)).TryGet(out var body, out var failure))
        {
            return failure;
        }

        Outcome<Job> read;
        try
        {
            using var document = JsonDocument.Parse(body);
            read = JobRequest.Read(call.Route("jobId") ?? "", document.RootElement, time.GetUtcNow());
        }
        catch (JsonException)
        {
            return HubFailures.FormatError;
        }

        if (!read.TryGet(out var job, out failure))
        {
            return failure;
        }

        switch (await store.AddAsync(job, options.MaxWaiting, call.Stopping))
        {
            case JobAdded.Exists:
                return HubFailures.JobAlreadyExists;
            case JobAdded.TooMany:
                return HubFailures.TooManyJobs.Saying($"{options.MaxWaiting} jobs wait already.");
        }

        scheduler.Wake();
        return await ShowAsync(job, call.Stopping);
    }

    private async ValueTask<ServiceAnswer> GetAsync(ServiceCall call) =>
        await store.FindAsync(call.Route("jobId") ?? "", call.Stopping) is { } job ? await ShowAsync(job, call.Stopping) : HubFailures.JobNotFound;

    private async ValueTask<ServiceAnswer> CancelAsync(ServiceCall call)
    {
        var id = call.Route("jobId") ?? "";
        if (await store.CancelAsync(id, call.Stopping))
        {
            scheduler.Cancel(id);
        }

        return await GetAsync(call); // One that is over already is shown as it is.
    }

    private async ValueTask<ServiceAnswer> ListAsync(ServiceCall call)
    {
        if (!TryReadWord<JobType>(call.Query("jobType"), out var type) || !TryReadWord<JobStatus>(call.Query("jobStatus"), out var status))
        {
            return HubFailures.ArgumentInvalid.Saying("jobType or jobStatus is not known.");
        }

        // The headers of the service, and the parameters of 2016.
        var headers = call.Context.Request.Headers;
        var token = headers["x-ms-continuation"] is [{ Length: > 0 } header, ..] ? header : call.Query("continuationToken");
        var size = headers["x-ms-max-item-count"] is [{ Length: > 0 } count, ..] ? count : call.Query("pageSize");
        if (!TryReadToken(token, out var before, out var idBefore) || !TryReadSize(size, out var limit))
        {
            return HubFailures.ArgumentInvalid.Saying("The continuation token or the page size is not valid.");
        }

        var jobs = await store.ListAsync(before, idBefore, type, status, limit + 1, call.Stopping);
        var isMore = jobs.Count > limit;
        var page = isMore ? jobs.GetRange(0, limit) : jobs;
        var body = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(body))
        {
            json.WriteStartArray();
            foreach (var job in page)
            {
                JobJson.Write(json, job, await store.CountAsync(job.Id, scheduler.CountRunning(job.Id), call.Stopping));
            }

            json.WriteEndArray();
        }

        var answer = call.Context.Response.Headers;
        answer["x-ms-item-type"] = "JobResponse";
        if (isMore)
        {
            answer["x-ms-continuation"] = WriteToken(page[^1]);
        }

        return ServiceAnswer.WrittenJson(body.WrittenSpan.ToArray());
    }

    private async ValueTask<ServiceAnswer> ShowAsync(Job job, CancellationToken stopping)
    {
        var statistics = await store.CountAsync(job.Id, scheduler.CountRunning(job.Id), stopping);
        var body = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(body))
        {
            JobJson.Write(json, job, statistics);
        }

        return ServiceAnswer.WrittenJson(body.WrittenSpan.ToArray());
    }

    // Values come as `scheduleUpdateTwin` (Node) or `ScheduleUpdateTwin` (.NET); nothing and `unknown` mean any.
    private static bool TryReadWord<T>(string? text, out T? value)
        where T : struct, Enum
    {
        value = null;
        if (string.IsNullOrEmpty(text) || text.Equals("unknown", StringComparison.OrdinalIgnoreCase))
        {
            return true;
        }

        if (!char.IsAsciiLetter(text[0]) || !Enum.TryParse<T>(text, ignoreCase: true, out var parsed))
        {
            return false;
        }

        value = parsed;
        return true;
    }

    private static bool TryReadSize(string? text, out int limit)
    {
        limit = DefaultPage;
        if (string.IsNullOrEmpty(text))
        {
            return true;
        }

        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var asked) || asked < 1)
        {
            return false;
        }

        limit = Math.Min(asked, MaxPage);
        return true;
    }

    // Version 1: the place behind a job, in the order of the list.
    private static string WriteToken(Job last) =>
        Convert.ToBase64String(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"1|{last.CreatedAt.UtcTicks}|{last.Id}")));

    private static bool TryReadToken(string? token, out DateTimeOffset before, out string id)
    {
        before = DateTimeOffset.MaxValue;
        id = "";
        if (string.IsNullOrEmpty(token))
        {
            return true;
        }

        Span<byte> bytes = stackalloc byte[128];
        if (!Convert.TryFromBase64String(token, bytes, out var length)
            || Encoding.UTF8.GetString(bytes[..length]).Split('|') is not ["1", var ticks, var last]
            || !long.TryParse(ticks, NumberStyles.None, CultureInfo.InvariantCulture, out var at) || at > DateTimeOffset.MaxValue.Ticks || !Job.IsId(last))
        {
            return false;
        }

        (before, id) = (new DateTimeOffset(at, TimeSpan.Zero), last);
        return true;
    }
}
