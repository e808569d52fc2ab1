namespace Nave.Bench.Scenarios;

/// <summary>aedes, the MQTT broker of npm, on the Node that is installed: in memory, anonymous. Kept in a cache directory of the user.</summary>
internal sealed class AedesPeer : IPeer
{
    public const string PeerName = "aedes";
    private const string Version = "1.2.0";

    private const string Script = """
        import net from 'node:net'
        import tls from 'node:tls'
        import { readFileSync } from 'node:fs'
        import { Aedes } from 'aedes'

        const [port, cert, key] = process.argv.slice(2)
        const broker = await Aedes.createBroker()
        const server = cert
          ? tls.createServer({ cert: readFileSync(cert), key: readFileSync(key) }, broker.handle)
          : net.createServer(broker.handle)
        server.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 })
        """;

    private string _node = "node";

    private static string Home => Path.Combine(
        Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify) is { Length: > 0 } data
            ? data
            : Path.GetTempPath(),
        "nave-bench",
        $"aedes-{Version}");

    public string Name => PeerName;

    public async Task<string> PrepareAsync(PeerSetting setting, CancellationToken stopping)
    {
        _node = await DebianPackage.FindProgramAsync("node", "nodejs", setting.MayInstall, stopping);
        if (!Directory.Exists(Path.Combine(Home, "node_modules", "aedes")))
        {
            await InstallAsync(setting.MayInstall, stopping);
        }

        await File.WriteAllTextAsync(Path.Combine(Home, "server.mjs"), Script, stopping);
        await using var node = ChildProcess.Start(_node, "--version");
        return $"{Version} on node {await node.Output.ReadLineAsync(stopping)}";
    }

    public Task<RunningPeer> StartAsync(PeerSetting setting, CancellationToken stopping)
    {
        var certificate = setting.Tls ? PeerCertificate.Ensure(setting.Directory) : null;
        return StartedServer.StartAsync(
            PeerName,
            port => Task.FromResult(ChildProcess.Start(
                _node,
                [
                    Path.Combine(Home, "server.mjs"),
                    $"{port}",
                    .. certificate is null ? (string[])[] : [certificate.CertificateFile, certificate.KeyFile],
                ])),
            certificate?.LoadArguments ?? [],
            setting.Time,
            stopping);
    }

    private static async Task InstallAsync(bool mayInstall, CancellationToken stopping)
    {
        if (!mayInstall)
        {
            throw new PeerUnavailableException(
                $"aedes is missing. Run again with --install (npm install aedes@{Version} in {Home}), or leave it out of --peers.");
        }

        Directory.CreateDirectory(Home);
        await using var npm = ChildProcess.Start("npm", "install", "--prefix", Home, "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", $"aedes@{Version}");
        await npm.Output.ReadToEndAsync(stopping);
        await npm.WaitForExitAsync(stopping);
        if (npm.ExitCode is not 0)
        {
            throw new PeerUnavailableException($"npm install aedes@{Version} failed: {npm.LastErrors}");
        }
    }
}
