using System.Diagnostics;

namespace Nave.Conformance.Tests.Harness;

/// <summary>A token service as its users run it, beside a hub and on the hub's address. Ended by its process id.</summary>
internal sealed class OutsideTokenService : IAsyncDisposable
{
    private readonly List<string> _output = [];
    private readonly Process _process;
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private OutsideTokenService(OutsideHub hub, string data, ProcessStartInfo start)
    {
        Url = $"https://{hub.Address}:8450/tokens";
        Data = data;
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, line) => Keep(line.Data);
        _process.ErrorDataReceived += (_, line) => Keep(line.Data);
    }

    public string Url { get; }

    public string Data { get; }

    /// <summary>Everything it has printed.</summary>
    public string Output
    {
        get
        {
            lock (_output)
            {
                return string.Join('\n', _output);
            }
        }
    }

    /// <summary>Starts it; the settings go into its environment, as secrets should.</summary>
    public static async Task<OutsideTokenService> StartAsync(
        OutsideHub hub, string data, IReadOnlyDictionary<string, string> settings, CancellationToken stopping, params string[] arguments)
    {
        var start = new ProcessStartInfo(
            "dotnet",
            [Path.Combine(AppContext.BaseDirectory, "nave.dll"), "tokens", "run", "--hub-data", hub.Data, "--bind", hub.Address, "--host", hub.Address, "--data", data, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in settings)
        {
            start.Environment[name] = value;
        }

        var service = new OutsideTokenService(hub, data, start);
        service._process.Start();
        service._process.BeginOutputReadLine();
        service._process.BeginErrorReadLine();
        var ended = service._process.WaitForExitAsync(stopping);
        if (await Task.WhenAny(service._ready.Task, ended).WaitAsync(TimeSpan.FromSeconds(60), stopping) == ended)
        {
            Assert.Fail($"The token service ended with {service._process.ExitCode} instead of starting:\n{service.Output}");
        }

        return service;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            using var kill = Process.Start("kill", ["-TERM", $"{_process.Id}"]);
            await _process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(30));
        }

        _process.Dispose();
    }

    private void Keep(string? line)
    {
        lock (_output)
        {
            if (line is not null && _output.Count < 5000)
            {
                _output.Add(line);
            }
        }

        if (line?.Contains("Tokens are issued at", StringComparison.Ordinal) == true)
        {
            _ready.TrySetResult();
        }
    }
}
