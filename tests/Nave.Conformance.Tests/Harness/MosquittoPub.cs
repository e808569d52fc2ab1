using System.Diagnostics;
using Nave.Protocol.Access;

namespace Nave.Conformance.Tests.Harness;

/// <summary>A device that mosquitto_pub plays, with tokens minted here.</summary>
internal sealed class MosquittoPub
{
    /// <summary>A well-formed key that is no device's.</summary>
    public const string ForeignKey = "Y2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2M=";

    // A connection that the hub closes is opened again by the program until it is stopped.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly OutsideHub _hub;
    private readonly string _id;
    private readonly string _key;

    private MosquittoPub(OutsideHub hub, string id, string key)
    {
        _hub = hub;
        _id = id;
        _key = key;
    }

    /// <summary>Whether the program is there.</summary>
    public static bool IsInstalled => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, "mosquitto_pub")));

    /// <summary>Makes the device.</summary>
    public static async Task<MosquittoPub> CreateAsync(OutsideHub hub, string id, CancellationToken stopping)
    {
        var connection = await hub.CreateDeviceAsync(id, stopping);
        return new MosquittoPub(hub, id, connection[(connection.IndexOf("SharedAccessKey=", StringComparison.Ordinal) + "SharedAccessKey=".Length)..]);
    }

    public string Token(string? key = null, TimeSpan? validFor = null) => SasToken.Mint(
        $"{_hub.Address}/devices/{_id}", key ?? _key, TimeProvider.System.GetUtcNow() + (validFor ?? TimeSpan.FromHours(1)), null);

    /// <summary>Publishes once.</summary>
    /// <returns>What the program printed, packets included.</returns>
    public async Task<string> PublishAsync(string topic, int qos, string token, CancellationToken stopping)
    {
        var start = new ProcessStartInfo("mosquitto_pub",
        [
            "-d", "-V", "mqttv311", "-h", _hub.Address, "-p", "8883", "--cafile", _hub.CaFile, "-i", _id,
            "-u", $"{_hub.Address}/{_id}/?api-version=2021-04-12", "-P", token, "-q", $"{qos}", "-t", topic, "-m", "hello",
        ])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        deadline.CancelAfter(Patience);
        try
        {
            await process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
            process.Kill();
        }

        return await output + await errors;
    }
}
