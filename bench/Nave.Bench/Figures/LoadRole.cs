using System.Globalization;
using System.Text.Json;
using Nave.Bench.Load;
using Nave.Bench.Scenarios;

namespace Nave.Bench.Figures;

/// <summary>The load generator as a step of a scenario.</summary>
internal static class LoadRole
{
    public static async Task<LoadReport> RunAsync(RunningPeer server, IEnumerable<string> arguments, CancellationToken stopping)
    {
        await using var generator = ChildProcess.StartOwn([
            "load", "--json",
            "--port", server.Port.ToString(CultureInfo.InvariantCulture),
            "--server-pid", server.ProcessId.ToString(CultureInfo.InvariantCulture),
            .. server.LoadArguments,
            .. arguments,
        ]);
        var json = await generator.Output.ReadToEndAsync(stopping);
        await generator.WaitForExitAsync(stopping);
        return json.Length > 0 && JsonSerializer.Deserialize(json, BenchJson.Lines.LoadReport) is { } report
            ? report
            : throw new PeerUnavailableException($"the generator failed: {generator.LastErrors} {server.LastErrors}");
    }
}
