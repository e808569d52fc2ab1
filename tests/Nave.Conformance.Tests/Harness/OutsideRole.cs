using System.Diagnostics;

namespace Nave.Conformance.Tests.Harness;

/// <summary>A role of the program beside a hub, as its users run it. Ended by its process id.</summary>
internal sealed class OutsideRole : IAsyncDisposable
{
    private readonly List<string> _output = [];
    private readonly Process _process;
    private readonly string _readyText;
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private OutsideRole(ProcessStartInfo start, string readyText)
    {
        _readyText = readyText;
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, line) => Keep(line.Data);
        _process.ErrorDataReceived += (_, line) => Keep(line.Data);
    }

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

    /// <summary>Starts it and waits until it says that it is ready.</summary>
    /// <param name="arguments">Of the program.</param>
    /// <param name="settings">Go into its environment, as secrets should.</param>
    /// <param name="readyText">What it prints when it is ready.</param>
    /// <param name="stopping">Stops the wait.</param>
    public static async Task<OutsideRole> StartAsync(
        IEnumerable<string> arguments, IReadOnlyDictionary<string, string> settings, string readyText, CancellationToken stopping)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "nave.dll"), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in settings)
        {
            start.Environment[name] = value;
        }

        var role = new OutsideRole(start, readyText);
        role._process.Start();
        role._process.BeginOutputReadLine();
        role._process.BeginErrorReadLine();
        var ended = role._process.WaitForExitAsync(stopping);
        if (await Task.WhenAny(role._ready.Task, ended).WaitAsync(TimeSpan.FromSeconds(60), stopping) == ended)
        {
            Assert.Fail($"The role ended with {role._process.ExitCode} instead of starting:\n{role.Output}");
        }

        return role;
    }

    /// <summary>SIGKILL.</summary>
    public async Task KillAsync(CancellationToken stopping)
    {
        _process.Kill();
        await _process.WaitForExitAsync(stopping);
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

        if (line?.Contains(_readyText, StringComparison.Ordinal) == true)
        {
            _ready.TrySetResult();
        }
    }
}
