using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Nave.Protocol.Access;

namespace Nave.Conformance.Tests.Harness;

/// <summary>
/// A hub as its users start it: the program in a process of its own, with the ports that the SDKs fix, on a loopback
/// address of its own, so that several run side by side (sdk-gotchas.md 1). Ended by its process id.
/// </summary>
public sealed class OutsideHub : IAsyncDisposable
{
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(15);
    private static int _lastAddress;

    private readonly List<string> _output = [];
    private readonly string[] _arguments;
    private Process? _process;

    private OutsideHub(string[] arguments)
    {
        // 127.88.x.y: an address per hub and test process, on which nobody else has 443.
        var number = Interlocked.Increment(ref _lastAddress);
        Address = $"127.88.{(Environment.ProcessId % 250) + 1}.{number + 1}";
        Data = Directory.CreateTempSubdirectory("nave-outside-").FullName;
        _arguments = arguments;
    }

    /// <summary>Where it listens, and its host name.</summary>
    public string Address { get; }

    /// <summary>Its data directory.</summary>
    public string Data { get; }

    /// <summary>What <c>connection.json</c> says.</summary>
    public JsonElement Connection { get; private set; }

    /// <summary>The certificate authority to trust.</summary>
    public string CaFile => Connection.GetProperty("caCertificate").GetString()!;

    /// <summary>The process that holds the log.</summary>
    public int ProcessId => Connection.GetProperty("processId").GetInt32();

    /// <summary>Everything the program has printed.</summary>
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

    /// <summary>Starts a hub and waits until it says that it is ready.</summary>
    public static async Task<OutsideHub> StartAsync(CancellationToken stopping, params string[] arguments)
    {
        var hub = new OutsideHub(arguments);
        await hub.StartAgainAsync(stopping);
        return hub;
    }

    /// <summary>The connection string of a policy.</summary>
    public string PolicyString(string policy) => Connection.GetProperty("policies").GetProperty(policy).GetString()!;

    /// <summary>Starts the program over the same data, after a kill or a stop.</summary>
    public async Task StartAgainAsync(CancellationToken stopping)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "nave.dll");
        var start = new ProcessStartInfo("dotnet", [program, "up", "--data", Data, "--bind", Address, "--host", Address, .. _arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        var connectionFile = Path.Combine(Data, "connection.json");
        File.Delete(connectionFile);
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, line) => Keep(line.Data);
        _process.ErrorDataReceived += (_, line) => Keep(line.Data);
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();

        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        timeout.CancelAfter(StartTimeout);
        using var poll = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!File.Exists(connectionFile))
        {
            if (_process.HasExited)
            {
                throw new InvalidOperationException($"The hub ended with {_process.ExitCode} instead of starting:\n{Output}");
            }

            await poll.WaitForNextTickAsync(timeout.Token);
        }

        Connection = JsonDocument.Parse(await File.ReadAllTextAsync(connectionFile, stopping)).RootElement;
    }

    /// <summary>SIGKILL: nothing is flushed, nobody is told.</summary>
    public async Task KillAsync(CancellationToken stopping)
    {
        _process!.Kill();
        await _process.WaitForExitAsync(stopping);
    }

    /// <summary>Makes a device with generated keys over the REST API.</summary>
    /// <returns>Its connection string.</returns>
    public async Task<string> CreateDeviceAsync(string id, CancellationToken stopping)
    {
        using var client = CreateHttpClient("iothubowner");
        var response = await client.PutAsJsonAsync(
            $"devices/{Uri.EscapeDataString(id)}?api-version=2021-04-12",
            new { deviceId = id, status = "enabled", authentication = new { type = "sas", symmetricKey = new { primaryKey = "", secondaryKey = "" } } },
            stopping);
        var body = await response.Content.ReadFromJsonAsync<JsonElement>(stopping);
        Assert.True(response.IsSuccessStatusCode, body.ToString());
        var key = body.GetProperty("authentication").GetProperty("symmetricKey").GetProperty("primaryKey").GetString();
        return $"HostName={Address};DeviceId={id};SharedAccessKey={key}";
    }

    /// <summary>An HTTP client that trusts the hub and bears a policy's token.</summary>
    public HttpClient CreateHttpClient(string policy)
    {
        var roots = new System.Security.Cryptography.X509Certificates.X509Certificate2Collection();
        roots.ImportFromPemFile(CaFile);
        var handler = new SocketsHttpHandler();
        handler.SslOptions.CertificateChainPolicy = new()
        {
            TrustMode = System.Security.Cryptography.X509Certificates.X509ChainTrustMode.CustomRootTrust,
            RevocationMode = System.Security.Cryptography.X509Certificates.X509RevocationMode.NoCheck,
        };
        handler.SslOptions.CertificateChainPolicy.CustomTrustStore.AddRange(roots);
        var fields = PolicyString(policy).Split(';').Select(field => field.Split('=', 2)).ToDictionary(field => field[0], field => field[1]);
        var token = SasToken.Mint(Address, fields["SharedAccessKey"], TimeProvider.System.GetUtcNow().AddHours(1), policy);
        var client = new HttpClient(handler) { BaseAddress = new Uri($"https://{Address}/"), DefaultRequestVersion = HttpVersion.Version11 };
        client.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", token);
        return client;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false })
        {
            using var kill = Process.Start("kill", ["-TERM", $"{_process.Id}"]);
            using var timeout = new CancellationTokenSource(StopTimeout);
            try
            {
                await _process.WaitForExitAsync(timeout.Token);
            }
            catch (OperationCanceledException)
            {
                _process.Kill();
                throw new TimeoutException($"The hub did not stop within {StopTimeout.TotalSeconds} s of SIGTERM:\n{Output}");
            }
        }

        _process?.Dispose();
        Directory.Delete(Data, recursive: true);
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
    }
}
