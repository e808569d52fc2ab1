using System.Text.Json;
using Nave.Hub.Devices;
using Nave.Hub.Methods;
using Nave.Hub.Twins;
using Nave.Protocol.Errors;

namespace Nave.Hub.Jobs;

/// <summary>What a job does on each device, read once: a twin update or a method.</summary>
/// <param name="Update">Of a twin job; null otherwise.</param>
/// <param name="Condition">The ETag that the update is conditional on; any where it names none.</param>
/// <param name="Method">Of a method job; null otherwise.</param>
internal sealed record JobWork(TwinUpdate? Update, ETagCondition Condition, DirectMethodRequest? Method)
{
    /// <summary>The work of a stored job.</summary>
    public static Outcome<JobWork> Read(Job job)
    {
        using var document = JsonDocument.Parse(job.Work);
        return Read(job.Type, document.RootElement);
    }

    /// <summary>The <c>updateTwin</c> or <c>cloudToDeviceMethod</c> of a request.</summary>
    public static Outcome<JobWork> Read(JobType type, JsonElement work)
    {
        if (type is JobType.ScheduleDeviceMethod)
        {
            return MethodJson.Read(work).TryGet(out var method, out var refused) ? new JobWork(null, ETagCondition.Any, method) : refused;
        }

        var condition = work.TryGetProperty("etag", out var etag) && etag.ValueKind is JsonValueKind.String
            ? ETagCondition.Parse(etag.GetString()!)
            : null;
        return TwinUpdate.Read(work, isReplace: false).TryGet(out var update, out var failure)
            ? new JobWork(update, condition ?? ETagCondition.Any, null)
            : failure;
    }
}
