using Nave.Storage;

namespace Nave.Hub.Queries;

/// <summary>
/// Paths into rows of <c>devices.jobs</c>: columns of the device's part of a job and of the job. Must agree with
/// <see cref="Jobs.JobJson"/>: a test compares both.
/// </summary>
internal sealed class JobFields : ISqlFields
{
    /// <inheritdoc/>
    public string From => "device_jobs r CROSS JOIN jobs j ON j.job_id = r.job_id";

    /// <inheritdoc/>
    public string Filter => "1 = 1";

    /// <inheritdoc/>
    public SqlOperand Resolve(QueryPath path, JsonSql json)
    {
        IReadOnlyList<object> rest = [.. path.Steps.Skip(1).Select(step => step.Name ?? (object)step.Index)];
        return (path.Root, rest) switch
        {
            ("deviceId", []) => SqlOperand.OfText("r.device_id") with { Indexed = "r.device_id" },
            ("moduleId", []) => SqlOperand.OfOptionalText("nullif(r.module_id, '')"),
            ("jobId", []) => SqlOperand.OfText("r.job_id") with { Indexed = "r.job_id" },
            ("jobType", []) => SqlOperand.OfText(CamelCase("j.type")),
            ("status", []) => SqlOperand.OfText(CamelCase("r.status")),
            ("createdDateTimeUtc", []) => SqlOperand.OfText(json.Time("r.created_at")),
            ("lastUpdatedDateTimeUtc", []) => SqlOperand.OfText(json.Time("r.updated_at")),
            ("startTimeUtc", []) => SqlOperand.OfOptionalText(OptionalTime("r.started_at", json)),
            ("endTimeUtc", []) => SqlOperand.OfOptionalText(OptionalTime("r.ended_at", json)),
            ("outcome", []) => Whole("r.response"),
            ("outcome", ["deviceMethodResponse", ..]) => SqlOperand.OfJson(json, "r.response", [.. rest.Skip(1)]),
            ("error", []) => Whole("r.error_code"),
            ("error", ["code"]) => SqlOperand.OfOptionalText("r.error_code"),
            ("error", ["description"]) => Description,
            _ => SqlOperand.Undefined,
        };
    }

    // Beside a code it is a string or JSON's null; without one the whole error is missing.
    private static SqlOperand Description { get; } = new()
    {
        Text = "CASE WHEN r.error_code IS NOT NULL THEN r.error_description END",
        Null = "(r.error_code IS NOT NULL AND r.error_description IS NULL)",
        Defined = "(r.error_code IS NOT NULL)",
    };

    private static SqlOperand Whole(string column) =>
        new() { Object = $"CASE WHEN {column} IS NOT NULL THEN '{{}}' END", Defined = $"({column} IS NOT NULL)" };

    // Rows hold the words of the enumerations.
    private static string CamelCase(string column) => $"(lower(substr({column}, 1, 1)) || substr({column}, 2))";

    private static string OptionalTime(string ticks, JsonSql json) => $"CASE WHEN {ticks} IS NOT NULL THEN {json.Time(ticks)} END";
}
