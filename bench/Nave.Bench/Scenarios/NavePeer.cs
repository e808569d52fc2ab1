using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Nave.Bench.Load;

namespace Nave.Bench.Scenarios;

/// <summary>
/// <c>nave up</c> as it ships: devices seeded by its configuration file, each connecting with a SAS token of its own key,
/// ports taken free, the data directory on the disk under test.
/// </summary>
/// <param name="program">nave's program; null for the one built beside.</param>
/// <param name="isUnsynced">
/// The bench's own host of the hub (<see cref="Servers.UnsyncedHubCommand"/>) instead, which acknowledges before the sync.
/// </param>
internal sealed class NavePeer(string? program, bool isUnsynced = false) : IPeer
{
    public const string PeerName = "nave";
    public const string UnsyncedName = "nave-unsynced";
    private const string ApiVersion = "2021-04-12";
    private static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan TokenLife = TimeSpan.FromHours(4);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(20);

    private string _program = string.Empty;
    private int _starts;

    public string Name => isUnsynced ? UnsyncedName : PeerName;

    public async Task<string> PrepareAsync(PeerSetting setting, CancellationToken stopping)
    {
        if (isUnsynced)
        {
            return "the hub of this checkout without a sync before the acknowledgement";
        }

        _program = program ?? FindProgram() ?? throw new PeerUnavailableException(
            "nave is not built: dotnet build src/Nave.Cli -c Release, or name the program with --nave");
        await using var version = ChildProcess.Start(_program, "--version");
        return (await version.Output.ReadLineAsync(stopping) ?? "of unknown version")
            + (_program.Contains("/Debug/", StringComparison.Ordinal) ? " (Debug build)" : string.Empty);
    }

    public Task<RunningPeer> StartAsync(PeerSetting setting, CancellationToken stopping) =>
        StartAtAsync(Path.Combine(setting.Directory, $"nave-{_starts++}"), setting, "", stopping);

    /// <summary>Starts a fresh process on a directory that may hold the data of one before.</summary>
    /// <param name="more">Further lines of its configuration file.</param>
    public async Task<RunningPeer> StartAtAsync(string directory, PeerSetting setting, string more, CancellationToken stopping)
    {
        Directory.CreateDirectory(directory);
        var configuration = Path.Combine(directory, "bench.yaml");
        var data = Path.Combine(directory, "data");
        await File.WriteAllTextAsync(configuration, Configuration(data, setting.Devices) + more, stopping);
        var process = isUnsynced
            ? ChildProcess.StartOwnHub("unsynced-hub", "--config", configuration)
            : ChildProcess.Start(_program, "up", "--config", configuration);
        process.DrainOutput();

        var hub = await WaitForHubAsync(process, Path.Combine(data, "connection.json"), setting.Time, stopping);
        if (hub is null)
        {
            await process.DisposeAsync();
            throw new PeerUnavailableException($"nave up did not become ready: {process.LastErrors}");
        }

        var credentials = Path.Combine(directory, "devices.jsonl");
        WriteCredentials(credentials, hub.HostName, 0, setting.Devices, setting.Time);
        return new RunningPeer(process, setting.Tls ? hub.Ports.Mqtts : hub.Ports.Mqtt)
        {
            ProcessId = hub.ProcessId,
            Hub = hub,
            LoadArguments =
            [
                "--credentials", credentials,
                .. setting.Tls ? (string[])["--host", "localhost", "--tls", "--ca", hub.CaCertificate] : [],
            ],
        };
    }

    // The built output beside this one: the same checkout, and by preference the same build configuration.
    private static string? FindProgram()
    {
        var isDebug = AppContext.BaseDirectory.Contains("/Debug/", StringComparison.Ordinal);
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "Nave.slnx")))
            {
                return new[] { isDebug ? "Debug" : "Release", "Release", "Debug" }
                    .Select(configuration => Path.Combine(at.FullName, $"src/Nave.Cli/bin/{configuration}/net10.0/nave"))
                    .FirstOrDefault(File.Exists);
            }
        }

        return null;
    }

    private static async Task<HubConnection?> WaitForHubAsync(
        ChildProcess process, string connectionFile, TimeProvider time, CancellationToken stopping)
    {
        var begun = time.GetTimestamp();
        using var ticks = new PeriodicTimer(Interval, time);
        while (!process.HasExited && time.GetElapsedTime(begun) < StartLimit)
        {
            if (File.Exists(connectionFile)) // Written atomically, when the hub is ready.
            {
                await using var file = File.OpenRead(connectionFile);
                var hub = await JsonSerializer.DeserializeAsync(file, BenchJson.Lines.HubConnection, stopping);
                return hub! with { DataDirectory = Path.GetDirectoryName(connectionFile)! };
            }

            await ticks.WaitForNextTickAsync(stopping);
        }

        return null;
    }

    private static string Configuration(string data, int devices)
    {
        var yaml = new StringBuilder($"""
            Hub:
              HostNames: localhost
              DataDirectory: {data}
            Listen:
              Plain: true
              MqttPort: 0
              MqttsPort: 0
              AmqpPort: 0
              AmqpsPort: 0
              HttpsPort: 0
              OperatorPort: 0
            Log:
              Level: warning

            """);
        yaml.Append(devices > 0 ? "Seed:\n  Devices:\n" : "");
        for (var number = 0; number < devices; number++)
        {
            yaml.Append(CultureInfo.InvariantCulture, $"    - DeviceId: {IdOf(number)}\n");
            yaml.Append(CultureInfo.InvariantCulture, $"      PrimaryKey: {Convert.ToBase64String(KeyOf(number))}\n");
        }

        return yaml.ToString();
    }

    /// <summary>Writes a file of credentials for the generator.</summary>
    public static void WriteCredentials(string file, string host, int first, int count, TimeProvider time)
    {
        var expiresAt = time.GetUtcNow() + TokenLife;
        DeviceCredential.WriteAll(file, Enumerable.Range(first, count).Select(number => new DeviceCredential(
            IdOf(number),
            $"{host}/{IdOf(number)}/?api-version={ApiVersion}",
            DeviceToken.Mint($"{host}/devices/{IdOf(number)}", KeyOf(number), expiresAt))));
    }

    /// <summary>The bulk item that registers a device with the key that its credential is made of.</summary>
    public static string BulkItemOf(int number)
    {
        var key = Convert.ToBase64String(KeyOf(number));
        return $$$"""{"id":"{{{IdOf(number)}}}","importMode":"create","authentication":{"type":"sas","symmetricKey":{"primaryKey":"{{{key}}}","secondaryKey":"{{{key}}}"} } }""";
    }

    /// <summary>The id of one of the seeded devices, counted from 0.</summary>
    public static string IdOf(int number) => string.Create(CultureInfo.InvariantCulture, $"bench-{number}");

    private static byte[] KeyOf(int number) => SHA256.HashData(Encoding.UTF8.GetBytes(IdOf(number)));
}

/// <summary>What the bench reads of <c>connection.json</c>.</summary>
internal sealed record HubConnection(
    string HostName, int ProcessId, HubConnection.HubPorts Ports, string CaCertificate, IReadOnlyDictionary<string, string> Policies)
{
    /// <summary>Where its files are.</summary>
    public string DataDirectory { get; init; } = string.Empty;

    internal sealed record HubPorts(int Mqtt, int Mqtts, int Https, int Amqp = 0);
}
