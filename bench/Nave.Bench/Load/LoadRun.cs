using System.Diagnostics;
using Nave.Bench.Linux;
using Nave.Bench.Mqtt;

namespace Nave.Bench.Load;

/// <summary>One run: builds the connections, runs the lanes, sums up.</summary>
internal sealed class LoadRun(LoadOptions options, TimeProvider time)
{
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromSeconds(1);
    private readonly PhaseClock _clock = new(options);

    /// <summary>Completes with their number when every connection was tried.</summary>
    public Task<int> Connected => _clock.Connected;

    /// <summary>Ends the measured interval before its time.</summary>
    public void End() => _clock.End();

    /// <param name="progress">Told once a second what is happening.</param>
    public async Task<LoadReport> RunAsync(Action<string>? progress, CancellationToken stopping)
    {
        var tlsContext = options.Tls ? OpenSsl.CreateClientContext(options.CaFile, options.TlsVersion) : 0;
        var connections = CreateConnections();
        var lanes = Enumerable.Range(0, options.Threads)
            .Select(lane => new LoadLane(
                options, _clock, lane, tlsContext, [.. connections.Where(one => one.Number % options.Threads == lane)]))
            .ToArray();
        try
        {
            using var ending = CancellationTokenSource.CreateLinkedTokenSource(stopping);
            var running = Task.WhenAll(lanes.Select(lane => RunLaneAsync(lane, ending)));
            await ReportProgressAsync(lanes, running, progress);
            await running;
            stopping.ThrowIfCancellationRequested();
            return Report(lanes);
        }
        finally
        {
            foreach (var lane in lanes)
            {
                lane.Dispose();
            }
        }
    }

    // A lane that throws ends the others: they would wait for its phase for ever.
    private static Task RunLaneAsync(LoadLane lane, CancellationTokenSource ending) =>
        Task.Factory.StartNew(
            () =>
            {
                try
                {
                    lane.Run(ending.Token);
                }
                catch
                {
                    ending.Cancel();
                    throw;
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);

    private LoadConnection[] CreateConnections()
    {
        var payload = options.Payload ?? Filler(options.PayloadBytes);

        var connections = new LoadConnection[options.AllConnections];
        for (var number = 0; number < connections.Length; number++)
        {
            var device = options.CredentialOf(number);
            var connect = ConnectPacket.Encode(
                options.ClientId.Fill(device.Id, number), device.Username, device.Password, options.KeepAliveSeconds);
            var isSender = number < options.Connections && !options.Churn;
            connections[number] = new LoadConnection(
                number,
                connect,
                isSender
                    ? PublishBlock.Create(options.Topic.Fill(device.Id, number), payload, options.Qos, options.Window)
                    : null);
        }

        return connections;
    }

    private async Task ReportProgressAsync(LoadLane[] lanes, Task running, Action<string>? progress)
    {
        if (progress is null)
        {
            return;
        }

        using var ticks = new PeriodicTimer(ProgressInterval, time);
        while (!running.IsCompleted)
        {
            var tick = ticks.WaitForNextTickAsync(CancellationToken.None).AsTask();
            if (await Task.WhenAny(tick, running) != running)
            {
                progress(Describe(lanes));
            }
        }
    }

    private string Describe(LoadLane[] lanes) => _clock.Phase switch
    {
        LoadPhase.Connecting => $"connecting: {lanes.Sum(lane => lane.Connected)} of {options.AllConnections}",
        LoadPhase.WarmUp => "warming up",
        LoadPhase.Measuring => $"measuring: {lanes.Sum(lane => lane.Acknowledged):N0} "
            + $"in {Stopwatch.GetElapsedTime(_clock.AtMeasureStart.At).TotalSeconds:0.0} s",
        _ => "waiting for the last acknowledgements",
    };

    private LoadReport Report(LoadLane[] lanes)
    {
        var (firstHalf, lastHalf) = (new LatencyHistogram(), new LatencyHistogram());
        var connects = new LatencyHistogram();
        foreach (var lane in lanes)
        {
            firstHalf.Add(lane.FirstHalf);
            lastHalf.Add(lane.LastHalf);
            connects.Add(lane.Connects);
        }

        var acknowledgements = new LatencyHistogram();
        acknowledgements.Add(firstHalf);
        acknowledgements.Add(lastHalf);

        var measured = Stopwatch.GetElapsedTime(_clock.AtMeasureStart.At, _clock.AtMeasureEnd.At).TotalSeconds;
        var connecting = Stopwatch.GetElapsedTime(_clock.AtStart.At, _clock.AtConnected.At).TotalSeconds;
        var done = lanes.Sum(lane => lane.Acknowledged);
        var connected = lanes.Sum(lane => lane.Connected);
        return new LoadReport(
            Target: $"{options.Target}{(options.Tls ? " (TLS)" : string.Empty)}",
            options.Qos,
            options.Payload?.Length ?? options.PayloadBytes,
            options.Window,
            options.Rate,
            options.Connections,
            options.IdleConnections,
            connected,
            ConnectsPerSecond: Math.Round(options.Churn ? done / measured : connected / connecting, 1),
            LatencyReport.Of(connects),
            MeasuredSeconds: Math.Round(measured, 4),
            Acknowledged: options.Churn ? 0 : done,
            AcknowledgedPerSecond: options.Churn || measured is 0 ? 0 : Math.Round(done / measured, 1),
            LatencyReport.Of(acknowledgements),
            lanes.Sum(lane => lane.ConnectErrors),
            lanes.Sum(lane => lane.Disconnects),
            lanes.Sum(lane => lane.Unanswered),
            lanes.Sum(lane => lane.Unexpected),
            lanes.Select(lane => lane.FirstError).FirstOrDefault(error => error is not null),
            GeneratorCpuSecondsPerMillion: PerMillion(
                CpuSeconds(_clock.AtMeasureStart.Generator, _clock.AtMeasureEnd.Generator), done),
            OtherCores(measured),
            Server(done, connected))
        {
            FirstHalf = options.Churn ? null : LatencyReport.Of(firstHalf),
            LastHalf = options.Churn ? null : LatencyReport.Of(lastHalf),
        };
    }

    private double OtherCores(double measuredSeconds)
    {
        var (start, end) = (_clock.AtMeasureStart, _clock.AtMeasureEnd);
        var ours = CpuSeconds(start.Generator, end.Generator) + CpuSeconds(start.Server, end.Server);
        var all = (end.Machine.Busy - start.Machine.Busy).TotalSeconds;
        return measuredSeconds is 0 ? 0 : Math.Round(Math.Max((all - ours) / measuredSeconds, 0), 2);
    }

    private ServerReport? Server(long done, int connected)
    {
        if (_clock is not
            {
                AtStart.Server: { } before,
                AtConnected.Server: { } afterConnect,
                AtMeasureStart.Server: { } start,
                AtMeasureEnd.Server: { } end,
            })
        {
            return null;
        }

        var cpu = CpuSeconds(start, end);
        var perConnect = options.Churn ? cpu / done : CpuSeconds(before, afterConnect) / connected;
        return new ServerReport(
            Math.Round(cpu, 3),
            PerMillion(cpu, options.Churn ? 0 : done),
            CpuMillisecondsPerConnect: double.IsFinite(perConnect) ? Math.Round(perConnect * 1000, 4) : 0,
            before.ResidentBytes,
            afterConnect.ResidentBytes,
            end.ResidentBytes)
        {
            ResidentBytesPerConnection = connected > 0
                ? Math.Round((afterConnect.ResidentBytes - before.ResidentBytes) / (double)connected)
                : null,
        };
    }

    private static byte[] Filler(int length)
    {
        var payload = new byte[length];
        "{\"nave\":\"bench\"}"u8[..Math.Min(16, payload.Length)].CopyTo(payload);
        payload.AsSpan(Math.Min(16, payload.Length)).Fill((byte)' ');
        return payload;
    }

    private static double CpuSeconds(ProcessSample? start, ProcessSample? end) =>
        ((end?.Cpu ?? default) - (start?.Cpu ?? default)).TotalSeconds;

    private static double PerMillion(double cpuSeconds, long messages) =>
        messages is 0 ? 0 : Math.Round(cpuSeconds / messages * 1e6, 3);
}
