using System.Diagnostics;
using System.Text.Json;

namespace Nave.Conformance.Tests.Harness;

/// <summary>A PSK gateway as its users run it, beside a hub and on the hub's address. Ended by its process id.</summary>
internal sealed class OutsidePskGateway : IAsyncDisposable
{
    /// <summary>Its port.</summary>
    public const int Port = 8884;

    private readonly OutsideHub _hub;
    private readonly string[] _arguments;
    private readonly List<string> _output = [];
    private Process? _process;
    private TaskCompletionSource _ready = new();

    private OutsidePskGateway(OutsideHub hub, string[] arguments)
    {
        _hub = hub;
        _arguments = arguments;
        Data = Path.Combine(hub.Data, "psk");
    }

    /// <summary>Where it listens.</summary>
    public string Address => _hub.Address;

    /// <summary>Its data directory.</summary>
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

    /// <summary>Makes keys for identities, each with a device of the hub, and starts.</summary>
    /// <returns>The gateway, and the keys in hex, by identity.</returns>
    public static async Task<(OutsidePskGateway Gateway, IReadOnlyDictionary<string, string> Keys)> StartAsync(
        OutsideHub hub, IReadOnlyDictionary<string, string> devices, CancellationToken stopping, params string[] arguments)
    {
        var gateway = new OutsidePskGateway(hub, arguments);
        var keys = new Dictionary<string, string>();
        foreach (var (identity, device) in devices)
        {
            var added = await NaveTool.RunAsync(hub, stopping, "psk", "add", identity, "--device-id", device, "--json", "--data", gateway.Data);
            keys[identity] = JsonDocument.Parse(added.Done()).RootElement.GetProperty("key").GetString()!;
        }

        await gateway.StartAgainAsync(stopping);
        return (gateway, keys);
    }

    /// <summary>Starts it over the same keys, after a kill.</summary>
    public async Task StartAgainAsync(CancellationToken stopping)
    {
        _ready = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var start = new ProcessStartInfo(
            "dotnet",
            [Path.Combine(AppContext.BaseDirectory, "nave.dll"), "psk", "run", "--hub-data", _hub.Data, "--bind", Address, "--data", Data, .. _arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        _process?.Dispose();
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, line) => Keep(line.Data);
        _process.ErrorDataReceived += (_, line) => Keep(line.Data);
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        var ended = _process.WaitForExitAsync(stopping);
        if (await Task.WhenAny(_ready.Task, ended).WaitAsync(TimeSpan.FromSeconds(60), stopping) == ended)
        {
            Assert.Fail($"The gateway ended with {_process.ExitCode} instead of starting:\n{Output}");
        }
    }

    /// <summary>SIGKILL.</summary>
    public async Task KillAsync(CancellationToken stopping)
    {
        _process!.Kill();
        await _process.WaitForExitAsync(stopping);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false })
        {
            using var kill = Process.Start("kill", ["-TERM", $"{_process.Id}"]);
            await _process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(30));
        }

        _process?.Dispose();
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

        if (line?.Contains("TLS-PSK devices are taken at", StringComparison.Ordinal) == true)
        {
            _ready.TrySetResult();
        }
    }
}
