using Spectre.Console;

namespace Nave.Bench.Load;

/// <summary>One run for people.</summary>
internal static class LoadReportView
{
    private const double MiB = 1024 * 1024;

    public static void Write(IAnsiConsole console, LoadReport report)
    {
        var table = new Table().Border(TableBorder.None).HideHeaders().AddColumn("what").AddColumn("figure");
        table.AddRow("target", Markup.Escape(report.Target));
        table.AddRow(
            "connected",
            $"{report.Connected:N0} of {report.Connections + report.IdleConnections:N0}, {report.ConnectsPerSecond:N0}/s, "
                + Percentiles(report.Connect));
        if (report.Acknowledged > 0)
        {
            table.AddRow(
                "acknowledged",
                $"{report.AcknowledgedPerSecond:N0}/s ({report.Acknowledged:N0} in {report.MeasuredSeconds:0.00} s)");
            table.AddRow("latency", Percentiles(report.Acknowledgement));
        }

        if (report.Server is { } server)
        {
            table.AddRow(
                "server CPU",
                $"{server.CpuSeconds:0.00} s, {server.CpuSecondsPerMillion:0.00} s per million messages, "
                    + $"{server.CpuMillisecondsPerConnect:0.000} ms per connect");
            table.AddRow(
                "server memory",
                $"{server.ResidentBytesBeforeConnect / MiB:0.0} MB, {server.ResidentBytesConnected / MiB:0.0} connected "
                    + $"({server.ResidentBytesPerConnection:N0} bytes each), {server.ResidentBytesAtEnd / MiB:0.0} at the end");
        }

        table.AddRow(
            "generator CPU",
            $"{report.GeneratorCpuSecondsPerMillion:0.00} s per million messages; other work took {report.OtherCores:0.00} cores");
        table.AddRow(
            "errors",
            report.Errors is 0
                ? "none"
                : $"{report.ConnectErrors} connects, {report.Disconnects} disconnects, {report.Unanswered} unanswered, "
                    + $"{report.Unexpected} unexpected packets: {Markup.Escape(report.FirstError ?? "no reason")}");
        console.Write(table);
    }

    private static string Percentiles(LatencyReport latency) =>
        $"p50 {latency.P50Ms:0.00}, p99 {latency.P99Ms:0.00}, p99.9 {latency.P999Ms:0.00}, max {latency.MaxMs:0.00} ms";
}
