using System.Text.Json;
using Nave.Bench.Scenarios;

namespace Nave.Bench.Figures;

/// <summary>A role of this program that measures and writes its figures as JSON, as a process of its own.</summary>
internal static class OwnRole
{
    public static async Task<RunFigures> MeasureAsync(IEnumerable<string> arguments, CancellationToken stopping)
    {
        await using var process = ChildProcess.StartOwnServer(arguments);
        return await ReadAsync(process, stopping);
    }

    /// <summary>Waits for its end and takes its figures.</summary>
    public static async Task<RunFigures> ReadAsync(ChildProcess process, CancellationToken stopping)
    {
        var json = await process.Output.ReadToEndAsync(stopping);
        await process.WaitForExitAsync(stopping);
        return json.Length > 0 && JsonSerializer.Deserialize(json, BenchJson.Lines.RunFigures) is { } figures
            ? figures
            : throw new PeerUnavailableException($"a run failed: {process.LastErrors}");
    }
}
