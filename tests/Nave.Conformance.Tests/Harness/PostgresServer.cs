using System.Diagnostics;

namespace Nave.Conformance.Tests.Harness;

/// <summary>
/// A PostgreSQL of the test's own, in a temporary directory, on a Unix socket only and as an ordinary user: it starts in a
/// second or two from the system's package. Ended by its process id.
/// </summary>
internal sealed class PostgresServer : IAsyncDisposable
{
    private const string User = "nave";

    private readonly string _folder;
    private readonly Process _process;

    private PostgresServer(string folder, Process process)
    {
        _folder = folder;
        _process = process;
    }

    /// <summary>For Npgsql.</summary>
    public string ConnectionString => $"Host={_folder};Username={User};Database=postgres";

    /// <summary>Makes a cluster and starts it.</summary>
    public static async Task<PostgresServer> StartAsync(CancellationToken stopping)
    {
        var programs = Programs();
        var folder = Directory.CreateTempSubdirectory("nave-pg-").FullName;
        var data = Path.Combine(folder, "data");
        if (Environment.UserName == "root")
        {
            await RunAsync("chown", ["postgres", folder], stopping);
        }

        await RunAsUserAsync(Path.Combine(programs, "initdb"), ["-D", data, "-U", User, "-A", "trust", "-N", "--no-instructions"], stopping);
        var server = StartProcess(
            Path.Combine(programs, "postgres"), ["-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=16MB"]);
        var ready = Path.Combine(data, "postmaster.pid");
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        deadline.CancelAfter(TimeSpan.FromSeconds(60));
        using var poll = new PeriodicTimer(TimeSpan.FromMilliseconds(50));

        // Its last line but padding says "ready" once it takes connections.
        while (!File.Exists(ready) || !(await File.ReadAllTextAsync(ready, deadline.Token)).Contains("ready", StringComparison.Ordinal))
        {
            Assert.False(server.HasExited, "PostgreSQL ended instead of starting.");
            await poll.WaitForNextTickAsync(deadline.Token);
        }

        return new PostgresServer(folder, server);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        // The first line of the file is the server's own process; SIGINT is its fast shutdown.
        var pid = (await File.ReadAllLinesAsync(Path.Combine(_folder, "data", "postmaster.pid")))[0];
        using (var kill = Process.Start("kill", ["-INT", pid]))
        {
            await kill.WaitForExitAsync();
        }

        await _process.WaitForExitAsync();
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static string Programs()
    {
        const string Debian = "/usr/lib/postgresql";
        var folder = Directory.Exists(Debian)
            ? Directory.GetDirectories(Debian).Select(version => Path.Combine(version, "bin")).Where(bin => File.Exists(Path.Combine(bin, "initdb"))).Order().LastOrDefault()
            : null;
        return folder ?? throw new InvalidOperationException("PostgreSQL is not installed: run ./nave test, or install the package postgresql.");
    }

    // PostgreSQL refuses to run as root; Debian's package made a user for it.
    private static (string Program, IEnumerable<string> Arguments) AsUser(string program, IEnumerable<string> arguments) =>
        Environment.UserName == "root" ? ("setpriv", ["--reuid=postgres", "--regid=postgres", "--clear-groups", program, .. arguments]) : (program, arguments);

    private static Process StartProcess(string program, IEnumerable<string> arguments)
    {
        var (file, all) = AsUser(program, arguments);
        var start = new ProcessStartInfo(file, all) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/tmp" };
        start.Environment["LC_ALL"] = "C";
        var process = new Process { StartInfo = start };
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    private static Task RunAsUserAsync(string program, IEnumerable<string> arguments, CancellationToken stopping)
    {
        var (file, all) = AsUser(program, arguments);
        return RunAsync(file, all, stopping);
    }

    private static async Task RunAsync(string program, IEnumerable<string> arguments, CancellationToken stopping)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/tmp" };
        start.Environment["LC_ALL"] = "C";
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(stopping);
        var output = process.StandardOutput.ReadToEndAsync(stopping);
        await process.WaitForExitAsync(stopping);
        Assert.True(process.ExitCode == 0, $"{program}: {await errors}{await output}");
    }
}
