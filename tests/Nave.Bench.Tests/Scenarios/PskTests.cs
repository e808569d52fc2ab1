using Nave.Bench.Scenarios;

namespace Nave.Bench.Tests.Scenarios;

public sealed class PskTests
{
    [Fact]
    public async Task Every_kind_of_handshake_is_measured()
    {
        var figures = await PskCommand.RunAsync(TimeSpan.FromMilliseconds(300), TestContext.Current.CancellationToken);

        Assert.Equal(["PSK TLS 1.3 X25519", "ECDHE-PSK TLS 1.2", "plain PSK TLS 1.2", "certificate TLS 1.3"], figures.Select(row => row.Handshake));
        Assert.All(figures, row => Assert.True(row.PerCpuSecond > 0, row.ToString()));
    }
}
