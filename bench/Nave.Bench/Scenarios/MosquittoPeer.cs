using System.Globalization;

namespace Nave.Bench.Scenarios;

/// <summary>Debian's mosquitto: persistence off, anonymous, unlimited queue, a loopback port of its own.</summary>
internal sealed class MosquittoPeer : IPeer
{
    public const string PeerName = "mosquitto";

    private string _program = "mosquitto";
    private int _starts;

    public string Name => PeerName;

    public async Task<string> PrepareAsync(PeerSetting setting, CancellationToken stopping)
    {
        _program = await DebianPackage.FindProgramAsync("mosquitto", "mosquitto", setting.MayInstall, stopping);
        await using var help = ChildProcess.Start(_program, "-h");
        return (await help.Output.ReadLineAsync(stopping) ?? "of unknown version").Replace("mosquitto version ", "");
    }

    public async Task<RunningPeer> StartAsync(PeerSetting setting, CancellationToken stopping)
    {
        var certificate = setting.Tls ? PeerCertificate.Ensure(setting.Directory) : null;
        return await StartedServer.StartAsync(
            PeerName,
            async port =>
            {
                var file = Path.Combine(setting.Directory, $"mosquitto-{_starts++}.conf");
                await File.WriteAllTextAsync(file, Configuration(port, certificate), stopping);
                return ChildProcess.Start(_program, "-c", file);
            },
            certificate?.LoadArguments ?? [],
            setting.Time,
            stopping);
    }

    private static string Configuration(int port, PeerCertificate? certificate)
    {
        var lines = new List<string>
        {
            string.Create(CultureInfo.InvariantCulture, $"listener {port} 127.0.0.1"),
            "allow_anonymous true",
            "persistence false",
            "max_queued_messages 0",
            "log_type error",
            "log_dest stderr",
        };
        if (certificate is not null)
        {
            lines.Add($"certfile {certificate.CertificateFile}");
            lines.Add($"keyfile {certificate.KeyFile}");
        }

        return string.Join('\n', lines) + "\n";
    }
}
