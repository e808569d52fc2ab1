using System.Globalization;

namespace Nave.Bench.Scenarios;

/// <summary>
/// Debian's rabbitmq-server with its MQTT plugin: a node of its own with a private directory, cookie and port mapper, so that
/// no other node on the machine is touched.
/// </summary>
internal sealed class RabbitPeer : IPeer
{
    public const string PeerName = "rabbitmq";
    private const string Program = "/usr/lib/rabbitmq/bin/rabbitmq-server"; // The one in the PATH changes to another user.

    private int _starts;

    public string Name => PeerName;

    public async Task<string> PrepareAsync(PeerSetting setting, CancellationToken stopping)
    {
        await DebianPackage.FindProgramAsync("rabbitmq-server", "rabbitmq-server", setting.MayInstall, stopping);
        await using var query = ChildProcess.Start("dpkg-query", "-W", "-f", "${Version}", "rabbitmq-server");
        return await query.Output.ReadLineAsync(stopping) ?? "of unknown version";
    }

    public async Task<RunningPeer> StartAsync(PeerSetting setting, CancellationToken stopping)
    {
        var certificate = setting.Tls ? PeerCertificate.Ensure(setting.Directory) : null;
        var mapperPort = Loopback.FreePort();
        var mapper = ChildProcess.Start(
            "epmd", "-address", "127.0.0.1", "-port", mapperPort.ToString(CultureInfo.InvariantCulture)); // In the foreground: ours to end.
        try
        {
            var server = await StartedServer.StartAsync(
                PeerName,
                async port =>
                {
                    var directory = Directory.CreateDirectory(Path.Combine(setting.Directory, $"rabbitmq-{_starts++}")).FullName;
                    await File.WriteAllTextAsync(Path.Combine(directory, "rabbitmq.conf"), Configuration(port, certificate), stopping);
                    await File.WriteAllTextAsync(Path.Combine(directory, "plugins"), "[rabbitmq_mqtt].\n", stopping);
                    return ChildProcess.Start(Program, [], Environment(directory, mapperPort));
                },
                certificate?.LoadArguments ?? [],
                setting.Time,
                stopping);
            return server.With(mapper);
        }
        catch
        {
            await mapper.DisposeAsync();
            throw;
        }
    }

    private static Dictionary<string, string> Environment(string directory, int mapperPort) => new()
    {
        ["HOME"] = directory,
        ["ERL_EPMD_ADDRESS"] = "127.0.0.1",
        ["ERL_EPMD_PORT"] = mapperPort.ToString(CultureInfo.InvariantCulture),
        ["RABBITMQ_ALLOW_INPUT"] = "true", // The shell script becomes the server: one process, whose CPU is read.
        ["RABBITMQ_NODENAME"] = "bench@localhost",
        ["RABBITMQ_DIST_PORT"] = Loopback.FreePort().ToString(CultureInfo.InvariantCulture),
        ["RABBITMQ_MNESIA_BASE"] = directory,
        ["RABBITMQ_LOG_BASE"] = directory,
        ["RABBITMQ_CONFIG_FILE"] = Path.Combine(directory, "rabbitmq.conf"),
        ["RABBITMQ_ENABLED_PLUGINS_FILE"] = Path.Combine(directory, "plugins"),
        ["RABBITMQ_PID_FILE"] = Path.Combine(directory, "pid"),
        ["RABBITMQ_FEATURE_FLAGS_FILE"] = Path.Combine(directory, "feature_flags"),
        ["RABBITMQ_CONF_ENV_FILE"] = Path.Combine(directory, "rabbitmq-env.conf"),
    };

    private static string Configuration(int port, PeerCertificate? certificate)
    {
        var listener = string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{port}");
        return string.Join('\n',
            [
                "listeners.tcp = none",
                "log.console = true",
                "log.console.level = error",
                "mqtt.allow_anonymous = true",
                .. certificate is null
                    ? (string[])[$"mqtt.listeners.tcp.1 = {listener}"]
                    :
                    [
                        "mqtt.listeners.tcp = none",
                        $"mqtt.listeners.ssl.1 = {listener}",
                        $"ssl_options.certfile = {certificate.CertificateFile}",
                        $"ssl_options.keyfile = {certificate.KeyFile}",
                    ],
            ]) + "\n";
    }
}
