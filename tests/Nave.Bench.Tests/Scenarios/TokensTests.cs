using Nave.Bench.Scenarios;

namespace Nave.Bench.Tests.Scenarios;

public sealed class TokensTests
{
    [Fact]
    public async Task Every_kind_of_credential_is_measured()
    {
        var figures = await TokensCommand.RunAsync(TimeSpan.FromMilliseconds(200), TestContext.Current.CancellationToken);

        Assert.Equal(["generated secret", "bearer RS256", "bearer ES256", "chosen password"], figures.Select(row => row.Credential));
        Assert.All(figures, row => Assert.True(row.TokensPerCpuSecond > 0, row.ToString()));
    }
}
