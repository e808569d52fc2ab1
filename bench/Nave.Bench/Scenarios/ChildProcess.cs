using System.Diagnostics;
using Nave.Bench.Linux;

namespace Nave.Bench.Scenarios;

/// <summary>A process that the bench started: ends with it, politely first.</summary>
internal sealed class ChildProcess : IAsyncDisposable
{
    private const int KeptLines = 20;
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(12); // A hub has 10 s to stop.

    private static readonly Dictionary<string, string> NothingMore = [];
    private static readonly Dictionary<string, string> ServerSettings = new() { ["DOTNET_gcConcurrent"] = "1" };

    // As Nave.Cli.csproj has it: the hub without its sync shall differ from nave up by nothing else.
    private static readonly Dictionary<string, string> HubSettings = new(ServerSettings) { ["DOTNET_ThreadPool_UnfairSemaphoreSpinLimit"] = "0" };

    private readonly Process _process;
    private readonly Queue<string> _lastErrors = [];

    private ChildProcess(Process process)
    {
        _process = process;
        process.ErrorDataReceived += (_, line) => Keep(line.Data);
        process.BeginErrorReadLine();
    }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public int ExitCode => _process.ExitCode;

    public StreamReader Output => _process.StandardOutput;

    /// <summary>The last lines of its standard error, and of its drained output.</summary>
    public string LastErrors
    {
        get
        {
            lock (_lastErrors)
            {
                return string.Join(Environment.NewLine, _lastErrors);
            }
        }
    }

    public static ChildProcess Start(string program, params IEnumerable<string> arguments) => Start(program, arguments, NothingMore);

    /// <param name="environment">Variables beside those of this process.</param>
    public static ChildProcess Start(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        return new ChildProcess(Process.Start(start) ?? throw new IOException($"{program} did not start"));
    }

    /// <summary>Starts another role of this very program.</summary>
    public static ChildProcess StartOwn(params IEnumerable<string> arguments) => StartOwn(arguments, NothingMore);

    /// <summary>Starts a server that is a role of this program, with .NET's own collector settings, which the bench itself does not have.</summary>
    public static ChildProcess StartOwnServer(params IEnumerable<string> arguments) => StartOwn(arguments, ServerSettings);

    /// <summary>Starts a hub that is a role of this program, with the runtime settings that nave ships with.</summary>
    public static ChildProcess StartOwnHub(params IEnumerable<string> arguments) => StartOwn(arguments, HubSettings);

    private static ChildProcess StartOwn(IEnumerable<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "nave-bench"); // Not ProcessPath: tests are another program.
        return Start(program, arguments, environment);
    }

    /// <summary>For a server that nobody listens to: a full pipe would stop it.</summary>
    public void DrainOutput()
    {
        _process.OutputDataReceived += (_, line) => Keep(line.Data);
        _process.BeginOutputReadLine();
    }

    /// <summary>Tells it that nothing more comes.</summary>
    public void CloseInput() => _process.StandardInput.Close();

    /// <summary>Writes to its standard input.</summary>
    public async Task WriteLineAsync(string line, CancellationToken stopping)
    {
        await _process.StandardInput.WriteLineAsync(line.AsMemory(), stopping);
        await _process.StandardInput.FlushAsync(stopping);
    }

    public Task WaitForExitAsync(CancellationToken stopping) => _process.WaitForExitAsync(stopping);

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _ = Libc.Kill(_process.Id, Libc.SignalTerminate);
            using var limit = new CancellationTokenSource(StopLimit);
            try
            {
                await _process.WaitForExitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                _process.Kill();
                await _process.WaitForExitAsync(CancellationToken.None);
            }
        }

        _process.Dispose();
    }

    private void Keep(string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (_lastErrors)
        {
            _lastErrors.Enqueue(line);
            if (_lastErrors.Count > KeptLines)
            {
                _lastErrors.Dequeue();
            }
        }
    }
}
