using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using Nave.Bench.Linux;
using Nave.Bench.Load;
using Nave.Bench.Scenarios;

namespace Nave.Bench.Commands;

/// <summary>How much the scenario does.</summary>
/// <param name="Devices">Devices, seeded.</param>
/// <param name="Queued">Commands that each holds.</param>
/// <param name="PayloadBytes">Body of a command.</param>
/// <param name="Clients">Requests under way at once.</param>
internal sealed record CommandsPlan(int Devices, int Queued, int PayloadBytes, int Clients);

/// <summary>
/// Queues commands for many devices that are away, then takes each, then completes each: every step one HTTPS request,
/// so that the answer says when it was done. One hub, one client process.
/// </summary>
internal sealed class CommandsRun(RunningPeer server, CommandsPlan plan, TimeProvider time) : IDisposable
{
    private const string ApiVersion = "api-version=2021-04-12";
    private const string Policy = "iothubowner";

    // Longer than the whole run: nothing comes back by itself.
    private const int LockSeconds = 300;

    // Enough of each path for its code to be compiled before memory is read.
    private const int WarmUpDevices = 200;
    private static readonly TimeSpan TokenLife = TimeSpan.FromHours(4);
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(3);

    private readonly HttpClient _http = CreateClient(server, plan.Clients, time);
    private readonly ConcurrentQueue<(string Device, string LockToken)> _taken = new();

    public async Task<(IReadOnlyList<PhaseReport> Phases, QueueMemory Memory)> RunAsync(Action<string> progress, CancellationToken stopping)
    {
        var warmUp = Enumerable.Range(0, Math.Min(plan.Devices, WarmUpDevices)).Select(NavePeer.IdOf).ToList();
        await PhaseAsync("warm-up", warmUp, AcceptAsync, stopping);
        await PhaseAsync("warm-up", warmUp, DeliverAsync, stopping);
        await PhaseAsync("warm-up", TakeAll(), SettleAsync, stopping);
        var before = await RestAsync(stopping);

        var everything = Enumerable.Range(0, plan.Queued).SelectMany(_ => Enumerable.Range(0, plan.Devices)).Select(NavePeer.IdOf);
        var accept = Told(await PhaseAsync("accept", everything, AcceptAsync, stopping), progress);
        var queued = await RestAsync(stopping);
        var deliver = Told(await PhaseAsync("deliver", everything, DeliverAsync, stopping), progress);
        var settle = Told(await PhaseAsync("settle", TakeAll(), SettleAsync, stopping), progress);
        return ([accept, deliver, settle], new QueueMemory(before, queued, await RestAsync(stopping)));
    }

    public void Dispose() => _http.Dispose();

    private static PhaseReport Told(PhaseReport phase, Action<string> progress)
    {
        progress(string.Create(
            CultureInfo.InvariantCulture,
            $"{phase.Phase}: {phase.Done:N0} in {phase.Seconds:0.0} s, {phase.PerSecond:N0}/s, p99 {phase.Latency.P99Ms:0.0} ms{(phase.Failed > 0 ? $", {phase.Failed} failed ({phase.FirstError})" : "")}"));
        return phase;
    }

    private async Task<PhaseReport> PhaseAsync<T>(
        string name, IEnumerable<T> work, Func<T, CancellationToken, Task<string?>> doOneAsync, CancellationToken stopping)
    {
        using var own = System.Diagnostics.Process.GetCurrentProcess();
        var (machine, hub, generator) = (MachineSample.Read(), ProcessSample.Read(server.ProcessId), own.TotalProcessorTime);
        var begun = time.GetTimestamp();
        var queue = new ConcurrentQueue<T>(work);
        var clients = await Task.WhenAll(Enumerable.Range(0, plan.Clients).Select(_ => Task.Run(() => WorkAsync(queue, doOneAsync, stopping), stopping)));
        var seconds = time.GetElapsedTime(begun).TotalSeconds;
        own.Refresh();

        var latencies = new LatencyHistogram();
        foreach (var client in clients)
        {
            latencies.Add(client.Latencies);
        }

        var serverCpu = ((ProcessSample.Read(server.ProcessId)?.Cpu ?? default) - (hub?.Cpu ?? default)).TotalSeconds;
        var ownCpu = (own.TotalProcessorTime - generator).TotalSeconds;
        var others = (MachineSample.Read().Busy - machine.Busy).TotalSeconds - serverCpu - ownCpu;
        var done = latencies.Count;
        return new PhaseReport(
            name,
            done,
            clients.Sum(client => client.Failed),
            clients.Select(client => client.FirstError).FirstOrDefault(error => error is not null),
            Math.Round(seconds, 3),
            Math.Round(done / seconds, 1),
            LatencyReport.Of(latencies),
            Math.Round(serverCpu / Math.Max(done, 1) * 1e6, 1),
            Math.Round(ownCpu / Math.Max(done, 1) * 1e6, 1),
            Math.Round(Math.Max(others / seconds, 0), 2));
    }

    private async Task<ClientTally> WorkAsync<T>(ConcurrentQueue<T> work, Func<T, CancellationToken, Task<string?>> doOneAsync, CancellationToken stopping)
    {
        var tally = new ClientTally();
        while (work.TryDequeue(out var one))
        {
            var begun = time.GetTimestamp();
            var error = await doOneAsync(one, stopping);
            if (error is null)
            {
                tally.Latencies.Record((long)time.GetElapsedTime(begun).TotalNanoseconds);
            }
            else
            {
                tally.Failed++;
                tally.FirstError ??= error;
            }
        }

        return tally;
    }

    private async Task<string?> AcceptAsync(string device, CancellationToken stopping)
    {
        using var content = new ByteArrayContent(new byte[plan.PayloadBytes]);
        using var answer = await _http.PostAsync($"devices/{device}/messages/deviceBound?{ApiVersion}", content, stopping);
        return Expect(answer, HttpStatusCode.NoContent);
    }

    private async Task<string?> DeliverAsync(string device, CancellationToken stopping)
    {
        using var answer = await _http.GetAsync(
            $"devices/{device}/messages/devicebound?{ApiVersion}&iothub-messagelocktimeout={LockSeconds}", stopping);
        if (Expect(answer, HttpStatusCode.OK) is { } error)
        {
            return error;
        }

        _taken.Enqueue((device, answer.Headers.ETag!.Tag.Trim('"')));
        return (await answer.Content.ReadAsByteArrayAsync(stopping)).Length == plan.PayloadBytes ? null : "a command of the wrong size";
    }

    private async Task<string?> SettleAsync((string Device, string LockToken) command, CancellationToken stopping)
    {
        using var answer = await _http.DeleteAsync($"devices/{command.Device}/messages/devicebound/{command.LockToken}?{ApiVersion}", stopping);
        return Expect(answer, HttpStatusCode.NoContent);
    }

    private List<(string Device, string LockToken)> TakeAll()
    {
        var all = _taken.ToList();
        _taken.Clear();
        return all;
    }

    private async Task<long> RestAsync(CancellationToken stopping)
    {
        await Task.Delay(Rest, time, stopping);
        return ProcessSample.Read(server.ProcessId)?.ResidentBytes ?? throw new PeerUnavailableException($"nave ended: {server.LastErrors}");
    }

    private static string? Expect(HttpResponseMessage answer, HttpStatusCode status) =>
        answer.StatusCode == status ? null : $"{(int)answer.StatusCode} instead of {(int)status}";

    private static HttpClient CreateClient(RunningPeer server, int connections, TimeProvider time)
    {
        var hub = server.Hub!;
        var trust = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        trust.CustomTrustStore.ImportFromPemFile(hub.CaCertificate);
        var handler = new SocketsHttpHandler { MaxConnectionsPerServer = connections };
        handler.SslOptions.CertificateChainPolicy = trust;
        var key = Convert.FromBase64String(hub.Policies[Policy].Split("SharedAccessKey=")[1]);
        var client = new HttpClient(handler) { BaseAddress = new Uri($"https://{hub.HostName}:{hub.Ports.Https}/") };
        client.DefaultRequestHeaders.TryAddWithoutValidation(
            "Authorization", DeviceToken.Mint(hub.HostName, key, time.GetUtcNow() + TokenLife, Policy));
        return client;
    }

    private sealed class ClientTally
    {
        public LatencyHistogram Latencies { get; } = new();

        public long Failed { get; set; }

        public string? FirstError { get; set; }
    }
}
