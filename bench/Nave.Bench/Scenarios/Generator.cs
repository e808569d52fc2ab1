using System.Globalization;
using System.Text.Json;
using Nave.Bench.Load;

namespace Nave.Bench.Scenarios;

/// <summary>The load generator as a process of its own, against a server.</summary>
internal static class Generator
{
    /// <summary>One run to its end.</summary>
    public static async Task<LoadReport> RunAsync(RunningPeer server, string name, IEnumerable<string> arguments, CancellationToken stopping)
    {
        await using var generator = Start(server, arguments);
        var json = await generator.Output.ReadToEndAsync(stopping);
        await generator.WaitForExitAsync(stopping);
        return server.HasExited
            ? throw new PeerUnavailableException($"{name} ended during the run: {server.LastErrors}")
            : Read(json) ?? throw new PeerUnavailableException($"the generator failed against {name}: {generator.LastErrors}");
    }

    public static ChildProcess Start(RunningPeer server, IEnumerable<string> arguments) => ChildProcess.StartOwn([
        "load",
        "--json",
        "--port", server.Port.ToString(CultureInfo.InvariantCulture),
        "--server-pid", server.ProcessId.ToString(CultureInfo.InvariantCulture),
        .. server.LoadArguments,
        .. arguments,
    ]);

    /// <summary>What the generator has printed; null when it failed.</summary>
    public static LoadReport? Read(string json) =>
        json.Length > 0 ? JsonSerializer.Deserialize(json, BenchJson.Lines.LoadReport) : null;
}
