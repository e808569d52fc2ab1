using System.Net;
using Nave.Bench.Load;
using Nave.Bench.Scenarios;

namespace Nave.Bench.Tests.Scenarios;

/// <summary>The servers that are roles of the bench, as processes, under the generator.</summary>
public sealed class OwnPeerTests
{
    [Theory]
    [InlineData("mqttnet", false)]
    [InlineData("mqttnet", true)]
    [InlineData("kestrel", false)]
    [InlineData("kestrel", true)]
    [InlineData("floor", false)]
    public async Task Everything_sent_is_acknowledged_and_the_version_is_known(string name, bool tls)
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
                    CaFile = tls ? PeerCertificate.Ensure(directory.FullName).CertificateFile : null,
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
