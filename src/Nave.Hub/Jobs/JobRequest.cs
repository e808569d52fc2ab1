using System.Globalization;
using System.Text;
using System.Text.Json;
using Nave.Hub.Queries;
using Nave.Protocol.Errors;

namespace Nave.Hub.Jobs;

/// <summary>
/// Reads what a back end asks for: the body of <c>PUT /jobs/v2/{id}</c> (spec/service-rest.md 9). Everything that can be
/// judged before the start is judged here, so that a job that was accepted fails only for what happens later.
/// </summary>
internal static class JobRequest
{
    // spec/service-rest.md 9.
    private const long DefaultMaxSeconds = 3600;
    private const long MostSeconds = 30L * 24 * 3600;

    // .NET writes seven digits, Node three; both mean UTC.
    private const DateTimeStyles Utc = DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal;

    /// <summary>The job, or why it is none.</summary>
    public static Outcome<Job> Read(string id, JsonElement body, DateTimeOffset now)
    {
        if (body.ValueKind is not JsonValueKind.Object)
        {
            return HubFailures.FormatError;
        }

        if (!Job.IsId(id))
        {
            return HubFailures.ArgumentInvalid.Saying("A job's id has 1 to 64 letters, digits, dashes, underscores, dots or colons.");
        }

        if (Find(body, "jobId") is { ValueKind: not JsonValueKind.Null } named && named.ToString() != id)
        {
            return HubFailures.ArgumentInvalid.Saying("The jobId of the body is not that of the path.");
        }

        var word = Find(body, "type")?.ToString();
        if (string.IsNullOrEmpty(word) || !char.IsAsciiLetter(word[0]) || !Enum.TryParse<JobType>(word, ignoreCase: true, out var type))
        {
            return HubFailures.ArgumentInvalid.Saying("The type of a job is scheduleUpdateTwin or scheduleDeviceMethod.");
        }

        var work = Find(body, type is JobType.ScheduleUpdateTwin ? "updateTwin" : "cloudToDeviceMethod");
        if (work is not { ValueKind: JsonValueKind.Object } asked)
        {
            return HubFailures.ArgumentNull.Saying(
                $"A job of type {JobJson.Word(type)} has {(type is JobType.ScheduleUpdateTwin ? "updateTwin" : "cloudToDeviceMethod")}.");
        }

        if (JobWork.Read(type, asked).Failure is { } fault)
        {
            return fault;
        }

        if (!ReadCondition(body).TryGet(out var condition, out var failure)
            || !QueryParser.ParseCondition(condition).TryGet(out var parsed, out failure))
        {
            return failure;
        }

        if (parsed.Source is QuerySource.Jobs)
        {
            return HubFailures.ArgumentInvalid.Saying("A job's condition ranges over devices or devices.modules.");
        }

        if (ReadStart(body, now) is not { } start || ReadMaxSeconds(body) is not { } seconds)
        {
            return HubFailures.ArgumentInvalid.Saying(
                $"startTime is an ISO 8601 time, and maxExecutionTimeInSeconds a number from 1 to {MostSeconds}.");
        }

        return new Job
        {
            Id = id,
            Type = type,
            Status = start > now ? JobStatus.Scheduled : JobStatus.Queued,
            QueryCondition = condition,
            Work = Encoding.UTF8.GetBytes(asked.GetRawText()),
            CreatedAt = now,
            StartAt = start,
            MaxExecutionTime = TimeSpan.FromSeconds(seconds),
        };
    }

    // The raw REST of 2016 took a list of ids instead: the same thing in other words.
    private static Outcome<string> ReadCondition(JsonElement body)
    {
        if (Find(body, "queryCondition") is { ValueKind: JsonValueKind.String } condition)
        {
            return condition.GetString()!;
        }

        if (Find(body, "deviceIds") is not { ValueKind: JsonValueKind.Array } ids)
        {
            return "*";
        }

        var text = new StringBuilder("deviceId IN [");
        foreach (var id in ids.EnumerateArray())
        {
            if (id.ValueKind is not JsonValueKind.String)
            {
                return HubFailures.ArgumentInvalid.Saying("deviceIds is a list of device ids.");
            }

            text.Append(text[^1] == '[' ? "'" : ", '").Append(id.GetString()!.Replace("\\", "\\\\").Replace("'", "\\'")).Append('\'');
        }

        return text.Append(']').ToString();
    }

    private static DateTimeOffset? ReadStart(JsonElement body, DateTimeOffset now)
    {
        if (Find(body, "startTime") is not { ValueKind: not JsonValueKind.Null } start)
        {
            return now;
        }

        return start.ValueKind is JsonValueKind.String && DateTimeOffset.TryParse(start.GetString(), CultureInfo.InvariantCulture, Utc, out var time)
            ? (time > now ? time : now)
            : null;
    }

    private static long? ReadMaxSeconds(JsonElement body) =>
        Find(body, "maxExecutionTimeInSeconds") is not { ValueKind: not JsonValueKind.Null } max ? DefaultMaxSeconds
        : max.ValueKind is JsonValueKind.Number && max.TryGetInt64(out var seconds) && seconds is > 0 and <= MostSeconds ? seconds
        : max.ValueKind is JsonValueKind.Number && max.TryGetInt64(out seconds) && seconds is 0 ? DefaultMaxSeconds // .NET's default of a long.
        : null;

    private static JsonElement? Find(JsonElement body, string name) => body.TryGetProperty(name, out var value) ? value : null;
}
