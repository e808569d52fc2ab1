using System.Globalization;

namespace Nave.Bench.Scenarios;

/// <summary>Debian's mosquitto: persistence off, anonymous, unlimited queue, a loopback port of its own.</summary>
internal sealed class MosquittoPeer : IPeer
{
    public const string PeerName = "mosquitto";
    private const int StartAttempts = 3; // Another process may take the free port that was found.

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
        for (var attempt = 1; ; attempt++)
        {
            var port = Loopback.FreePort();
            var file = Path.Combine(setting.Directory, $"mosquitto-{_starts++}.conf");
            await File.WriteAllTextAsync(file, Configuration(port, certificate), stopping);
            var process = ChildProcess.Start(_program, "-c", file);
            if (await Loopback.IsServedAsync(port, () => process.HasExited, setting.Time, stopping))
            {
                return new RunningPeer(process, port)
                {
                    LoadArguments = certificate is null
                        ? []
                        : ["--host", "localhost", "--tls", "--ca", certificate.CertificateFile],
                };
            }

            await process.DisposeAsync();
            if (attempt is StartAttempts)
            {
                throw new PeerUnavailableException($"mosquitto did not start: {process.LastErrors}");
            }
        }
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
