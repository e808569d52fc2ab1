using System.Diagnostics;
using System.Text.Json;

namespace Nave.Conformance.Tests.Harness;

/// <summary>
/// Runs a script of an unmodified outside client. The script prints one JSON line per checked row:
/// <c>{"row":n,"ok":true|false,"why":"..."}</c>, with <c>"spec"</c> where it checks rows of several files.
/// </summary>
internal static class NodeClient
{
    private static readonly string Clients = Path.Combine(RepositoryRoot.Path, "tests", "Nave.Conformance.Tests", "clients");

    /// <summary>Where the packages of clients/package.json are installed; <c>NAVE_MODULES</c> names another place.</summary>
    private static readonly string Modules = Environment.GetEnvironmentVariable("NAVE_MODULES") is { Length: > 0 } elsewhere ? elsewhere : Clients;

    /// <summary>Runs a script against a hub and returns what it found.</summary>
    public static async Task<IReadOnlyList<RowResult>> RunAsync(
        OutsideHub hub, string script, TimeSpan timeout, IReadOnlyDictionary<string, string> environment, CancellationToken stopping)
    {
        Assert.True(
            Directory.Exists(Path.Combine(Modules, "node_modules")),
            "The outside clients are not installed: run ./nave test, or npm install in tests/Nave.Conformance.Tests/clients.");
        var start = new ProcessStartInfo("node", [Path.Combine(Clients, script)])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Modules,
        };
        start.Environment["NAVE_MODULES"] = Modules;
        start.Environment["NODE_EXTRA_CA_CERTS"] = hub.CaFile;
        start.Environment["NAVE_CONNECTION"] = Path.Combine(hub.Data, "connection.json");
        start.Environment["NAVE_IOT"] = hub.PolicyString("iothubowner");
        start.Environment["NAVE_EVENTS"] = hub.Connection.GetProperty("events").GetString()!;
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        deadline.CancelAfter(timeout);
        var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        var rows = new List<RowResult>();
        var noise = new List<string>();
        try
        {
            while (await process.StandardOutput.ReadLineAsync(deadline.Token) is { } line)
            {
                if (line.StartsWith("{\"", StringComparison.Ordinal))
                {
                    rows.Add(JsonSerializer.Deserialize<RowResult>(line, JsonSerializerOptions.Web)!);
                }
                else
                {
                    noise.Add(line);
                }
            }

            await process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{script} did not end within {timeout.TotalSeconds} s; rows so far: {Describe(rows)}\n{string.Join('\n', noise)}");
        }

        var failed = rows.Where(row => !row.Ok).ToList();
        Assert.True(
            failed.Count == 0 && process.ExitCode == 0,
            $"{script} ended with {process.ExitCode}: {Describe(failed)}\n{string.Join('\n', noise)}\n{await errors}\n--- hub ---\n{hub.Output}");
        return rows;
    }

    /// <summary>Fails unless exactly these rows of the spec file were checked and passed.</summary>
    public static void AssertRows(IReadOnlyList<RowResult> results, string? spec, params int[] rows) =>
        Assert.Equal(rows.Order(), results.Where(result => result.Spec == spec).Select(result => result.Row).Distinct().Order());

    private static string Describe(IEnumerable<RowResult> rows) =>
        string.Join('\n', rows.Select(row => $"{row.Spec} {row.Row}: {(row.Ok ? "ok" : row.Why)}"));
}

/// <summary>One row's outcome.</summary>
/// <param name="Spec">The spec file; null where a script checks one file only.</param>
/// <param name="Row">The row's number.</param>
/// <param name="Ok">Whether it held.</param>
/// <param name="Why">Why not.</param>
internal sealed record RowResult(string? Spec, int Row, bool Ok, string? Why);
