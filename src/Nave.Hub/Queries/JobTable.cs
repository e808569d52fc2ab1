using System.Data.Common;
using Nave.Hub.Jobs;

namespace Nave.Hub.Queries;

/// <summary>The devices of jobs, past and present: <c>FROM devices.jobs</c>.</summary>
internal sealed class JobTable : QueryTable
{
    /// <inheritdoc/>
    public override string ItemType => QueryPage.DeviceJob;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Keys { get; } = ["r.device_id", "r.module_id", "r.job_id"];

    /// <inheritdoc/>
    public override ISqlFields CreateFields() => new JobFields();

    /// <inheritdoc/>
    public override string ReadDocuments(string page) =>
        $"WITH page AS ({page}) SELECT {JobStore.DeviceJobColumns}, q.k0, q.k1, q.k2 FROM page q " +
        "CROSS JOIN device_jobs r ON r.job_id = q.k2 AND r.device_id = q.k0 AND r.module_id = q.k1 " +
        "CROSS JOIN jobs j ON j.job_id = r.job_id ORDER BY q.k0, q.k1, q.k2";

    /// <inheritdoc/>
    public override byte[] Read(DbDataReader row) => JobJson.Write(JobStore.ReadDeviceJob(row));
}
