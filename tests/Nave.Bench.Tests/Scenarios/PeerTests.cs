using System.Net;
using Nave.Bench.Load;
using Nave.Bench.Scenarios;

namespace Nave.Bench.Tests.Scenarios;

/// <summary>The servers that scenarios measure, as processes, under the generator.</summary>
public sealed class PeerTests
{
    [Theory]
    [InlineData("mqttnet", false)]
    [InlineData("mqttnet", true)]
    [InlineData("kestrel", false)]
    [InlineData("kestrel", true)]
    [InlineData("floor", false)]
    public Task Everything_sent_is_acknowledged_and_the_version_is_known(string name, bool tls) => ServeAsync(name, tls);

    [Theory]
    [InlineData("mosquitto")]
    [InlineData("aedes")]
    [InlineData("nats")]
    [InlineData("rabbitmq")]
    public async Task A_server_from_elsewhere_serves_too_or_says_how_to_get_it(string name)
    {
        if (await Record.ExceptionAsync(() => ServeAsync(name, tls: false)) is { } e)
        {
            Assert.Contains("Run again with --install", Assert.IsType<PeerUnavailableException>(e).Message);
        }
    }

    [Fact]
    public void An_unknown_server_is_named_with_those_that_are_known()
    {
        var e = Assert.Throws<FormatException>(() => PeerList.Parse("nave,mosquito", naveProgram: null));

        Assert.Equal($"there is no peer \"mosquito\": {PeerList.All}", e.Message);
    }

    private static async Task ServeAsync(string name, bool tls)
    {
        var stopping = TestContext.Current.CancellationToken;
        var directory = Directory.CreateTempSubdirectory("nave-bench-test-");
        try
        {
            var setting = new PeerSetting(directory.FullName, 3, tls, MayInstall: false, TimeProvider.System);
            var peer = PeerList.Parse(name, naveProgram: null).Single();
            Assert.Matches("[0-9]", await peer.PrepareAsync(setting, stopping));

            await using var server = await peer.StartAsync(setting, stopping);
            var report = await new LoadRun(
                new LoadOptions
                {
                    Target = new IPEndPoint(IPAddress.Loopback, server.Port),
                    Host = "localhost",
                    Tls = tls,
                    CaFile = tls ? PeerCertificate.Ensure(directory.FullName).AuthorityFile : null,
                    Connections = 3,
                    WarmUp = TimeSpan.Zero,
                    Duration = TimeSpan.FromMilliseconds(100),
                    ServerPid = server.ProcessId,
                },
                TimeProvider.System).RunAsync(null, stopping);

            Assert.Null(report.FirstError);
            Assert.Equal((0, 3), (report.Errors, report.Connected));
            Assert.True(report.Acknowledged > 0);
            Assert.True(report.Server!.ResidentBytesAtEnd > 0);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }
}
