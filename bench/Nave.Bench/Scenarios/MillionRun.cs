using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using Nave.Bench.Linux;
using Nave.Hub.Hosting;
using Spectre.Console;

namespace Nave.Bench.Scenarios;

/// <param name="Devices">How many are registered and then connected.</param>
/// <param name="Step">Connections of one generator process.</param>
/// <param name="KeepAliveSeconds">Of each connection.</param>
/// <param name="Hold">How long all are held.</param>
/// <param name="ReserveBytes">Memory that stays available.</param>
/// <param name="Sources">Loopback addresses that connections come from, as the generator takes them.</param>
internal sealed record MillionPlan(int Devices, int Step, int KeepAliveSeconds, TimeSpan Hold, long ReserveBytes, string Sources);

/// <summary>
/// Connects step by step, one generator process each, which stays; looks at memory before each and stops while there is some
/// left. Disposing ends the generators.
/// </summary>
internal sealed class MillionRun(RunningPeer server, MillionPlan plan, ScenarioSpace space, TimeProvider time) : IAsyncDisposable
{
    private const double MiB = 1024 * 1024;
    private const double SpareForStep = 1.3; // Of what the last step took; memory comes in lumps.
    private const long GuessEach = 25_000; // Bytes of a connection before the first step has told.
    private const double Enough = 0.99; // Of a step: a few connects that fail end nothing, and are not counted.
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(3);

    private readonly List<ChildProcess> _generators = [];
    private readonly List<MillionStep> _steps = [];

    public async Task<MillionReport> RunAsync(CancellationToken stopping)
    {
        // 1. The fleet.
        var begun = time.GetTimestamp();
        await TwinFill.RegisterAsync(server.Hub!, plan.Devices, NavePeer.BulkItemOf, time, stopping); // A hub has said how to reach it.
        space.Progress.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[grey]{plan.Devices:N0} devices registered in {time.GetElapsedTime(begun).TotalSeconds:0.0} s[/]");
        using var operators = OperatorClient();
        await WatchAsync(operators, stopping);
        await Task.Delay(Rest, time, stopping);

        // 2. Step by step.
        var (before, kernelBefore) = (Sample(), KernelMemory.Read());
        begun = time.GetTimestamp();
        var (connected, ended) = await ConnectAsync(kernelBefore, stopping);
        var connecting = time.GetElapsedTime(begun);
        var afterConnect = Sample();

        // 3. All at once, for a while; then who is still there.
        await Task.Delay(connected > 0 ? plan.Hold : TimeSpan.Zero, time, stopping);
        var (after, kernelAfter) = (Sample(), KernelMemory.Read());
        var tracked = await TrackedAsync(operators, stopping);
        var lost = await EndAsync(stopping);
        var held = connected - lost;
        if (lost > 0)
        {
            ended += $"; {lost} were lost while they were held";
        }

        double Each(long bytes) => held > 0 ? Math.Round(bytes / (double)held) : 0;
        return new MillionReport(
            default, [], null!, null!, "", new Dictionary<string, string>(), [MillionCommand.Judge(held)], plan.Devices, held, ended, tracked,
            Math.Round(connected / connecting.TotalSeconds),
            connected > 0 ? Math.Round((afterConnect.Cpu - before.Cpu).TotalMilliseconds / connected, 4) : 0,
            before.ResidentBytes,
            Each(after.ResidentBytes - before.ResidentBytes),
            kernelAfter.Sockets - kernelBefore.Sockets is { } sockets ? Each(sockets) : null,
            Each(kernelBefore.Available - kernelAfter.Available),
            _steps);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var generator in _generators)
        {
            await generator.DisposeAsync();
        }
    }

    private async Task<(int Connected, string EndedBy)> ConnectAsync(KernelMemory before, CancellationToken stopping)
    {
        var (connected, tried) = (0, 0);
        while (tried < plan.Devices)
        {
            var step = Math.Min(plan.Step, plan.Devices - tried);
            var available = KernelMemory.Read().Available;
            var each = connected > 0 ? Math.Max((before.Available - available) / connected, 1) : GuessEach;
            if (available - (long)(each * step * SpareForStep) < plan.ReserveBytes)
            {
                return (connected, $"the next {step:N0} would leave less than {plan.ReserveBytes / MiB:N0} MB of memory");
            }

            var begun = time.GetTimestamp();
            var reached = await StepAsync(tried, step, stopping);
            connected += reached;
            tried += step;
            var now = KernelMemory.Read();
            _steps.Add(new MillionStep(
                connected, Math.Round(reached / time.GetElapsedTime(begun).TotalSeconds), Sample().ResidentBytes, now.Sockets - before.Sockets, now.Available));
            space.Progress.MarkupLineInterpolated(CultureInfo.InvariantCulture,
                $"[grey]{connected:N0} held, {_steps[^1].ConnectsPerSecond:N0} connects/s, hub {_steps[^1].ServerBytes / MiB:N0} MB, available {now.Available / MiB:N0} MB[/]");
            if (reached < step * Enough)
            {
                return (connected, $"{step - reached} of a step's connects failed: {_generators[^1].LastErrors}");
            }
        }

        return (connected, connected == tried ? "all that were asked for" : $"{tried - connected} of the connects failed");
    }

    /// <returns>How many were connected.</returns>
    private async Task<int> StepAsync(int first, int count, CancellationToken stopping)
    {
        var file = Path.Combine(space.Directory, $"devices-{first}.jsonl");
        NavePeer.WriteCredentials(file, server.Hub!.HostName, first, count, time);
        var generator = ChildProcess.StartOwn([
            "load", "--json", "--hold",
            "--port", server.Port.ToString(CultureInfo.InvariantCulture),
            "--credentials", file,
            "--connections", "0",
            "--idle", count.ToString(CultureInfo.InvariantCulture),
            "--keep-alive", plan.KeepAliveSeconds.ToString(CultureInfo.InvariantCulture),
            "--warm-up", "0",
            "--source", SourcesOf(first),
        ]);
        _generators.Add(generator);
        var line = await generator.Output.ReadLineAsync(stopping);
        File.Delete(file);
        return line?.Split(' ') is ["connected", var connected] ? int.Parse(connected, CultureInfo.InvariantCulture) : 0;
    }

    // Each step begins with another address: the kernel finds a free port sooner.
    private string SourcesOf(int first)
    {
        var all = plan.Sources.Split(',');
        var shift = first / plan.Step * Math.Max(all.Length * plan.Step / Math.Max(plan.Devices, 1), 1) % all.Length;
        return string.Join(',', all.Skip(shift).Concat(all.Take(shift)));
    }

    /// <returns>Connections that were lost meanwhile.</returns>
    private async Task<int> EndAsync(CancellationToken stopping)
    {
        long lost = 0;
        foreach (var generator in _generators)
        {
            generator.CloseInput();
            lost += Generator.Read(await generator.Output.ReadToEndAsync(stopping))?.Disconnects ?? 0;
            await generator.WaitForExitAsync(stopping);
        }

        return (int)lost;
    }

    /// <summary>
    /// Every device is watched: anything of it counts, pings too. It pings every quarter of an hour, so the hub's usual ten minutes
    /// would find each silent, again and again.
    /// </summary>
    private static async Task WatchAsync(HttpClient operators, CancellationToken stopping)
    {
        using var rule = new StringContent("""{"every":3600,"counts":"any"}""", Encoding.UTF8, "application/json");
        using var answer = await operators.PutAsync("heartbeats/rules/default", rule, stopping);
        if (!answer.IsSuccessStatusCode)
        {
            throw new PeerUnavailableException($"the hub refused the heartbeat rule: {await answer.Content.ReadAsStringAsync(stopping)}");
        }
    }

    /// <summary>The hub's own count of devices by heartbeat state, from its page of metrics.</summary>
    private static async Task<IReadOnlyDictionary<string, long>> TrackedAsync(HttpClient operators, CancellationToken stopping)
    {
        const string Name = "nave_devices{state=\"";
        var page = await operators.GetStringAsync("/metrics", stopping);
        return page.Split('\n')
            .Where(line => line.StartsWith(Name, StringComparison.Ordinal))
            .Select(line => line[Name.Length..].Split("\"} "))
            .ToDictionary(parts => parts[0], parts => long.Parse(parts[1].Split(' ')[0], NumberStyles.None, CultureInfo.InvariantCulture));
    }

    private HttpClient OperatorClient()
    {
        var credential = OperatorFile.Find(server.Hub!.DataDirectory) // A hub has said how to reach it.
            ?? throw new PeerUnavailableException("the hub has left no credential for its operator port");
        var client = TwinFill.CreateClient(server.Hub!, new Uri(credential.Url));
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", credential.Token);
        return client;
    }

    private ProcessSample Sample() =>
        ProcessSample.Read(server.ProcessId) ?? throw new PeerUnavailableException($"the hub ended during the run: {server.LastErrors}");
}
