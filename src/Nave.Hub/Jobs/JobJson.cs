using System.Buffers;
using System.Text.Json;
using Nave.Protocol.Messages;

namespace Nave.Hub.Jobs;

/// <summary>Jobs as the service writes them (spec/service-rest.md 9).</summary>
internal static class JobJson
{
    /// <summary>The words of a type, on the wire.</summary>
    public static string Word(JobType type) => JsonNamingPolicy.CamelCase.ConvertName(type.ToString());

    /// <summary>The words of a status, on the wire.</summary>
    public static string Word(JobStatus status) => JsonNamingPolicy.CamelCase.ConvertName(status.ToString());

    /// <summary>The words of a device's status, on the wire.</summary>
    public static string Word(DeviceJobStatus status) => JsonNamingPolicy.CamelCase.ConvertName(status.ToString());

    /// <summary>A JobResponse.</summary>
    public static void Write(Utf8JsonWriter json, Job job, JobStatistics statistics)
    {
        json.WriteStartObject();
        json.WriteString("jobId"u8, job.Id);
        json.WriteString("queryCondition"u8, job.QueryCondition);
        json.WriteString("createdTime"u8, ServiceTime.Write(job.CreatedAt));
        json.WriteString("startTime"u8, ServiceTime.Write(job.StartAt));
        if (job.EndedAt is { } ended)
        {
            json.WriteString("endTime"u8, ServiceTime.Write(ended));
        }

        json.WriteNumber("maxExecutionTimeInSeconds"u8, (long)job.MaxExecutionTime.TotalSeconds);
        json.WriteString("type"u8, Word(job.Type));
        json.WritePropertyName(job.Type is JobType.ScheduleUpdateTwin ? "updateTwin"u8 : "cloudToDeviceMethod"u8);
        json.WriteRawValue(job.Work);
        json.WriteString("status"u8, Word(job.Status));
        if (job.FailureReason is { } reason)
        {
            json.WriteString("failureReason"u8, reason);
            json.WriteString("statusMessage"u8, reason);
        }

        json.WriteStartObject("deviceJobStatistics"u8);
        json.WriteNumber("deviceCount"u8, statistics.Devices);
        json.WriteNumber("failedCount"u8, statistics.Failed);
        json.WriteNumber("succeededCount"u8, statistics.Succeeded);
        json.WriteNumber("runningCount"u8, statistics.Running);
        json.WriteNumber("pendingCount"u8, statistics.Pending);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>A row of <c>SELECT * FROM devices.jobs</c>, and the body of a job's life-cycle event.</summary>
    public static byte[] Write(DeviceJob row)
    {
        var body = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(body))
        {
            Write(json, row);
        }

        return body.WrittenSpan.ToArray();
    }

    /// <summary>The same, into something larger.</summary>
    public static void Write(Utf8JsonWriter json, DeviceJob row)
    {
        json.WriteStartObject();
        json.WriteString("deviceId"u8, row.Id.Device.Value);
        if (row.Id.Module is { } module)
        {
            json.WriteString("moduleId"u8, module.Value);
        }

        json.WriteString("jobId"u8, row.Job.Id);
        json.WriteString("jobType"u8, Word(row.Job.Type));
        json.WriteString("status"u8, Word(row.Status));
        json.WriteString("createdDateTimeUtc"u8, ServiceTime.Write(row.CreatedAt));
        json.WriteString("lastUpdatedDateTimeUtc"u8, ServiceTime.Write(row.UpdatedAt));
        if (row.StartedAt is { } started)
        {
            json.WriteString("startTimeUtc"u8, ServiceTime.Write(started));
        }

        if (row.EndedAt is { } ended)
        {
            json.WriteString("endTimeUtc"u8, ServiceTime.Write(ended));
        }

        if (row.Response is { } response)
        {
            json.WriteStartObject("outcome"u8);
            json.WritePropertyName("deviceMethodResponse"u8);
            json.WriteRawValue(response);
            json.WriteEndObject();
        }

        if (row.ErrorCode is { } code)
        {
            json.WriteStartObject("error"u8);
            json.WriteString("code"u8, code);
            json.WriteString("description"u8, row.ErrorDescription);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }
}
