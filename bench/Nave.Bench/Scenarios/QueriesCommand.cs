using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Nave.Hub.Hosting;
using Nave.Hub.Queries;
using Nave.Storage;

namespace Nave.Bench.Scenarios;

/// <summary>
/// <c>query</c>: the query language over many twins in a hub of this process, beside the SQL statement that somebody would
/// write by hand on the same database.
/// </summary>
internal sealed class QueriesCommand
{
    private const string Numbers = "WITH RECURSIVE n(i) AS (SELECT @first UNION ALL SELECT i + 1 FROM n WHERE i + 1 < @end) ";

    private const string FillIdentities = Numbers + """
        INSERT INTO identities (device_id, module_id, generation_id, etag, is_enabled, auth_type, is_edge)
        SELECT printf('bench-%07d', i), '', '1', 'AAAA', 1, 'none', 0 FROM n
        """;

    // Tags of five values, a thousandth of all twins at each site; reported properties fill the twin to about 1 KB.
    private const string FillTwins = Numbers + """
        INSERT INTO twins (device_id, module_id, generation_id, version, etag_counter, desired_version, reported_version, tags, desired, reported,
            desired_metadata, reported_stamps)
        SELECT printf('bench-%07d', i), '', '1', 2, 1, 1, 1,
            jsonb_object('site', 's' || (i % 1000), 'kind', CASE i % 4 WHEN 0 THEN 'pump' WHEN 1 THEN 'fan' WHEN 2 THEN 'door' ELSE 'lamp' END,
                'n', i, 'owner', 'somebody', 'floor', i % 20),
            jsonb_object('rate', i % 10), jsonb_object('temp', (i * 7919) % 1000 / 10.0, 'firmware', '1.2.3', 'log', @filler),
            '{"$lastUpdated":"2026-01-01T00:00:00Z"}', jsonb('{"":639028224000000000}')
        FROM n
        """;

    private const string BarePage = """
        SELECT t.device_id, t.module_id, t.version, json(t.tags), json(t.desired), json(t.reported), t.desired_metadata, t.reported_stamps,
            i.etag, i.is_enabled, p.is_connected
        FROM twins t JOIN identities i ON i.device_id = t.device_id AND i.module_id = t.module_id
        LEFT JOIN presence p ON p.device_id = t.device_id AND p.module_id = t.module_id
        WHERE t.module_id = '' AND t.reported ->> '$.temp' > 50 ORDER BY t.device_id, t.module_id LIMIT 100
        """;

    private const int FilledAtOnce = 5000;

    public static Command Create()
    {
        var twins = new Option<int>("--twins") { Description = "twins in the hub", DefaultValueFactory = _ => 100_000 };
        var runs = new Option<int>("--runs") { Description = "runs of each query", DefaultValueFactory = _ => 20 };
        var data = new Option<string?>("--data") { Description = "directory on the disk to measure; a temporary directory in it is used and removed" };
        var json = new Option<bool>("--json") { Description = "the result as JSON on standard output" };
        var command = new Command("query", "queries over twins of 1 KB: by a tag, aggregates, and first pages beside hand-written SQL") { twins, runs, data, json };
        command.SetAction(async (parsed, stopping) =>
        {
            var directory = Directory.CreateDirectory(
                Path.Combine(Path.GetFullPath(parsed.GetValue(data) ?? Path.GetTempPath()), $"nave-bench-{Environment.ProcessId}"));
            try
            {
                var report = await MeasureAsync(directory.FullName, parsed.GetValue(twins), parsed.GetValue(runs), stopping);
                Console.WriteLine(parsed.GetValue(json) ? JsonSerializer.Serialize(report, BenchJson.Indented.QueriesReport) : report.ToString());
                return 0;
            }
            finally
            {
                directory.Delete(recursive: true);
            }
        });
        return command;
    }

    /// <summary>Fills a hub and measures.</summary>
    public static async Task<QueriesReport> MeasureAsync(string directory, int twins, int runs, CancellationToken stopping)
    {
        var options = new HubOptions();
        options.Hub.DataDirectory = Path.Combine(directory, "data");
        options.Listen.MqttsPort = options.Listen.AmqpsPort = options.Listen.HttpsPort = options.Listen.OperatorPort = 0;
        await using var host = await HubHost.StartAsync(options, new HubSurroundings { Log = NullLoggerProvider.Instance }, stopping);
        var database = host.Services.GetRequiredService<HubDatabase>();
        await FillAsync(database, twins, stopping);

        var runner = host.Services.GetRequiredService<QueryRunner>();
        var rows = new List<QueriesRow>();

        // The first three make an index on the path come; where twins are few nobody waits for them, and none comes.
        const string byTag = "SELECT * FROM devices WHERE tags.site = 's42'";
        rows.Add(await MeasureAsync("equality on a tag, first runs", QueryIndexes.AskedOften, () => RunAsync(runner, byTag, stopping)));
        await host.Services.GetRequiredService<QueryIndexes>().Making;
        rows.Add(await MeasureAsync("equality on a tag, later runs", runs, () => RunAsync(runner, byTag, stopping)));
        rows.Add(await MeasureAsync("ids by a tag", runs, () => RunAsync(runner, "SELECT deviceId FROM devices WHERE tags.site = 's43'", stopping)));
        rows.Add(await MeasureAsync("aggregates over all", runs, () => RunAsync(runner, "SELECT COUNT() AS n, AVG(properties.reported.temp) AS t FROM devices", stopping)));
        rows.Add(await MeasureAsync("groups over all", runs, () => RunAsync(runner, "SELECT COUNT() AS n, tags.kind FROM devices GROUP BY tags.kind", stopping)));
        rows.Add(await MeasureAsync("an equality that nobody has", runs, () => RunAsync(runner, "SELECT * FROM devices WHERE properties.desired.rate = 'x'", stopping)));

        // Turn by turn: what else the machine does from one second to the next then meets both.
        var page = new Series("first page, no index", () => RunAsync(runner, "SELECT * FROM devices WHERE properties.reported.temp > 50", stopping));
        var bare = new Series("the same by hand, columns only", () => BareAsync(database, stopping));
        for (var i = 0; i < runs; i++)
        {
            await page.RunAsync();
            await bare.RunAsync();
        }

        rows.AddRange([page.Row, bare.Row]);
        return new QueriesReport(
            MachineReport.Read(), twins, await SizeAsync(database, stopping), rows, Math.Round(page.Row.P50Ms / bare.Row.P50Ms, 2));
    }

    private static async Task FillAsync(HubDatabase database, int twins, CancellationToken stopping)
    {
        var filler = new string('x', 820);
        for (var first = 0L; first < twins; first += FilledAtOnce)
        {
            var end = Math.Min(twins, first + FilledAtOnce);
            await database.WriteAsync(
                session =>
                {
                    session.Execute(FillIdentities, ("@first", first), ("@end", end));
                    session.Execute(FillTwins, ("@first", first), ("@end", end), ("@filler", filler));
                    session.Execute("UPDATE identity_counts SET devices = devices + @count WHERE id = 1", ("@count", end - first));
                },
                stopping);
        }
    }

    private static async Task<int> RunAsync(QueryRunner runner, string query, CancellationToken stopping)
    {
        var outcome = await runner.RunAsync(query, continuation: null, QueryRunner.DefaultPageSize, stopping);
        return outcome.Value?.Rows.Count ?? throw new InvalidOperationException($"{query}: {outcome.Failure?.Message}");
    }

    private static Task<int> BareAsync(HubDatabase database, CancellationToken stopping) => database.ReadAsync(
        session => session.List(
            BarePage,
            row =>
            {
                for (var column = 0; column < row.FieldCount; column++)
                {
                    _ = row.GetValue(column);
                }

                return row.GetString(0);
            }).Count,
        stopping);

    private static async Task<int> SizeAsync(HubDatabase database, CancellationToken stopping) => (int)(await database.ReadAsync(
        session => session.Number(
            "SELECT avg(length(json(tags)) + length(json(desired)) + length(json(reported)) + length(desired_metadata) + length(reported_stamps)) FROM twins"),
        stopping) ?? 0);

    private static async Task<QueriesRow> MeasureAsync(string what, int runs, Func<Task<int>> run)
    {
        var series = new Series(what, run);
        for (var i = 0; i < runs; i++)
        {
            await series.RunAsync();
        }

        return series.Row;
    }

    /// <summary>Runs of one query.</summary>
    private sealed class Series(string what, Func<Task<int>> run)
    {
        private readonly List<double> _took = [];
        private int _rows;

        public QueriesRow Row
        {
            get
            {
                double[] took = [.. _took.Order()];
                return new QueriesRow(what, _rows, took.Length, Math.Round(took[took.Length / 2], 3), Math.Round(took[^1], 3));
            }
        }

        public async Task RunAsync()
        {
            var begun = TimeProvider.System.GetTimestamp();
            _rows = await run();
            _took.Add(TimeProvider.System.GetElapsedTime(begun).TotalMilliseconds);
        }
    }
}

/// <summary>One query's figures; p50 and the longest of its runs.</summary>
internal sealed record QueriesRow(string What, int Rows, int Runs, double P50Ms, double MaxMs);

/// <summary>What <see cref="QueriesCommand"/> found.</summary>
/// <param name="Machine">Where.</param>
/// <param name="Twins">How many twins there were.</param>
/// <param name="TwinBytes">JSON of one.</param>
/// <param name="Rows">Query by query.</param>
/// <param name="PageOverBare">The first page's median over that of the statement by hand; the target is at most 3.</param>
internal sealed record QueriesReport(MachineReport Machine, int Twins, int TwinBytes, IReadOnlyList<QueriesRow> Rows, double PageOverBare)
{
    public override string ToString() => string.Join('\n', [
        string.Create(CultureInfo.InvariantCulture, $"{Twins:N0} twins of {TwinBytes:N0} B; load average {Machine.LoadAverage}"),
        .. Rows.Select(row => string.Create(CultureInfo.InvariantCulture, $"{row.What,-34} {row.Rows,5} rows  p50 {row.P50Ms,8:0.00} ms  max {row.MaxMs,8:0.00} ms  ({row.Runs} runs)")),
        string.Create(CultureInfo.InvariantCulture, $"first page over SQL by hand: {PageOverBare:0.00} (target: at most 3)"),
    ]);
}
