using System.Diagnostics;

namespace Nave.Conformance.Tests.Harness;

/// <summary>A PSK gateway as its users run it, beside a hub and on the hub's address, and the programs that are its devices.</summary>
internal sealed class PskSite : IAsyncDisposable
{
    /// <summary>A key that no identity has.</summary>
    public const string ForeignKey = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

    private const string Port = "8884";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly OutsideHub _hub;
    private readonly OutsideRole _role;

    private PskSite(OutsideHub hub, string data, OutsideRole role)
    {
        _hub = hub;
        Data = data;
        _role = role;
    }

    public string Data { get; }

    /// <summary>Everything it has printed.</summary>
    public string Output => _role.Output;

    /// <summary>The folder of a gateway beside a hub.</summary>
    public static string DataOf(OutsideHub hub) => Path.Combine(hub.Data, "psk");

    /// <summary>Starts it.</summary>
    public static async Task<PskSite> StartAsync(OutsideHub hub, CancellationToken stopping, params string[] arguments) =>
        new(hub, DataOf(hub), await RunGatewayAsync(hub, stopping, ["--log-level", "debug", .. arguments]));

    /// <summary>The program alone, over the keys that the folder has.</summary>
    public static Task<OutsideRole> RunGatewayAsync(OutsideHub hub, CancellationToken stopping, params string[] arguments) => OutsideRole.StartAsync(
        ["psk", "run", "--hub-data", hub.Data, "--bind", hub.Address, "--data", DataOf(hub), .. arguments],
        new Dictionary<string, string>(), "TLS-PSK devices are taken at", stopping);

    /// <summary>Makes a device and a key for it.</summary>
    /// <returns>The key, in hex.</returns>
    public static async Task<string> AddAsync(OutsideHub hub, string id, CancellationToken stopping)
    {
        await hub.CreateDeviceAsync(id, stopping);
        return await AddKeyAsync(hub, id, stopping);
    }

    /// <summary>Makes a key.</summary>
    /// <returns>The key, in hex.</returns>
    public static async Task<string> AddKeyAsync(OutsideHub hub, string identity, CancellationToken stopping, params string[] arguments)
    {
        var added = (await NaveTool.RunAsync(hub, stopping, ["psk", "add", identity, "--data", DataOf(hub), "--json", .. arguments])).Done();
        return System.Text.Json.JsonDocument.Parse(added).RootElement.GetProperty("key").GetString()!;
    }

    /// <summary>Publishes once.</summary>
    /// <returns>What mosquitto_pub printed, packets included.</returns>
    public async Task<string> PublishAsync(string identity, string key, string topic, string body, CancellationToken stopping) => (await RunAsync(
        "mosquitto_pub", ["-d", .. Mqtt(identity, key), "-q", "1", "-t", topic, "-m", body], stopping)).Output;

    /// <summary>Subscribes and ends after so many messages, or when the gateway closes the connection.</summary>
    public Process Subscribe(string identity, string key, string topic, int count)
    {
        // Line by line: into a pipe it would write when it ends.
        var start = new ProcessStartInfo("stdbuf", ["-oL", "mosquitto_sub", "-d", .. Mqtt(identity, key), "-q", "1", "-t", topic, "-C", $"{count}", "-F", "GOT %t %p"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        return Process.Start(start)!;
    }

    /// <summary>Shakes hands and leaves.</summary>
    /// <returns>What openssl printed.</returns>
    public async Task<string> HandshakeAsync(CancellationToken stopping, params string[] arguments) => (await RunAsync(
        "openssl", ["s_client", "-connect", $"{_hub.Address}:{Port}", .. arguments], stopping)).Output;

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _role.DisposeAsync();

    /// <summary>Reads a program's lines until one has the text.</summary>
    public static async Task<string> LineAsync(Process process, string text, CancellationToken stopping)
    {
        var seen = new List<string>();
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        deadline.CancelAfter(Patience);
        while (await process.StandardOutput.ReadLineAsync(deadline.Token) is { } line)
        {
            seen.Add(line);
            if (line.Contains(text, StringComparison.Ordinal))
            {
                return line;
            }
        }

        Assert.Fail($"'{text}' did not come; only:\n{string.Join('\n', seen)}\n{await process.StandardError.ReadToEndAsync(stopping)}");
        return "";
    }

    private string[] Mqtt(string identity, string key) =>
        ["-V", "mqttv311", "-h", _hub.Address, "-p", Port, "--psk-identity", identity, "--psk", key, "-i", identity];

    private static async Task<(int Code, string Output)> RunAsync(string program, string[] arguments, CancellationToken stopping)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        process.StandardInput.Close();
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        deadline.CancelAfter(Patience);
        try
        {
            await process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
            process.Kill();
            await process.WaitForExitAsync(stopping);
        }

        return (process.ExitCode, await output + await errors);
    }
}
