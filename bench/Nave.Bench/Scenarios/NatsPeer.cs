using System.Globalization;

namespace Nave.Bench.Scenarios;

/// <summary>Debian's nats-server with its MQTT listener, which needs JetStream: QoS 1 goes to files, without a sync.</summary>
internal sealed class NatsPeer : IPeer
{
    public const string PeerName = "nats";

    private string _program = "nats-server";
    private int _starts;

    public string Name => PeerName;

    public async Task<string> PrepareAsync(PeerSetting setting, CancellationToken stopping)
    {
        _program = await DebianPackage.FindProgramAsync("nats-server", "nats-server", setting.MayInstall, stopping);
        await using var version = ChildProcess.Start(_program, "--version");
        return (await version.Output.ReadLineAsync(stopping) ?? "of unknown version").Replace("nats-server: ", "");
    }

    public Task<RunningPeer> StartAsync(PeerSetting setting, CancellationToken stopping)
    {
        var certificate = setting.Tls ? PeerCertificate.Ensure(setting.Directory) : null;
        return StartedServer.StartAsync(
            PeerName,
            async port =>
            {
                var directory = Directory.CreateDirectory(Path.Combine(setting.Directory, $"nats-{_starts++}")).FullName;
                var file = Path.Combine(directory, "nats.conf");
                await File.WriteAllTextAsync(file, Configuration(port, directory, certificate), stopping);
                return ChildProcess.Start(_program, "-c", file);
            },
            certificate?.LoadArguments ?? [],
            setting.Time,
            stopping);
    }

    private static string Configuration(int port, string directory, PeerCertificate? certificate) => string.Create(CultureInfo.InvariantCulture, $$"""
        server_name: bench
        listen: "127.0.0.1:-1"
        jetstream { store_dir: "{{directory}}" }
        mqtt {
          listen: "127.0.0.1:{{port}}"
          {{(certificate is null ? "" : $"tls {{ cert_file: \"{certificate.CertificateFile}\", key_file: \"{certificate.KeyFile}\" }}")}}
        }

        """);
}
