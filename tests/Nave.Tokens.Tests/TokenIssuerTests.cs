using Microsoft.Extensions.Logging;
using Nave.Protocol.Access;
using Nave.Protocol.Identities;
using Nave.Tokens.Tests.Harness;

namespace Nave.Tokens.Tests;

public sealed class TokenIssuerTests
{
    [Fact]
    public async Task A_token_is_signed_by_the_policy_for_the_whole_path_of_one_device()
    {
        await using var desk = await TokenDesk.OpenAsync();
        var secret = await desk.AddAsync("pump", "a%2Bb@1");

        var issued = Assert.IsType<IssueOutcome.Issued>(await desk.AskAsync("pump", secret));

        Assert.True(SasToken.Parse(issued.Token.Token).TryGet(out var token, out _));
        Assert.Equal("hub.nave.test/devices/a%2Bb@1", Uri.UnescapeDataString(token.Resource));
        Assert.Equal("tokens", token.PolicyName);
        Assert.Equal(SasSigner.Primary, token.FindSigner(TokenDesk.PolicyKey, null));
    }

    [Theory]
    [InlineData(null, 3600)]
    [InlineData(60, 60)]
    [InlineData(86_400, 86_400)]
    [InlineData(1_000_000, 86_400)]
    [InlineData(1, 10)]
    public async Task A_token_lives_an_hour_or_as_asked_and_a_day_at_most(int? asked, int expected)
    {
        await using var desk = await TokenDesk.OpenAsync();
        var secret = await desk.AddAsync("pump", "dev1");

        var issued = Assert.IsType<IssueOutcome.Issued>(
            await desk.AskAsync("pump", secret, life: asked is { } seconds ? TimeSpan.FromSeconds(seconds) : null));

        Assert.Equal(desk.Time.GetUtcNow().AddSeconds(expected), issued.Token.ExpiresAt);
    }

    [Fact]
    public void Jitter_shortens_a_life_and_never_lengthens_it()
    {
        var life = new TokenLife(TimeSpan.FromHours(1), TimeSpan.FromHours(24));
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider(DateTimeOffset.UnixEpoch);

        var shortest = new DeviceTokens(TokenDesk.Policy, life, time, () => 1).Issue(DeviceId.Parse("d"));

        Assert.Equal(3420, shortest.ExpiresAt.ToUnixTimeSeconds());
    }

    [Fact]
    public void No_configuration_makes_tokens_live_longer_than_a_day() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new TokenLife(TimeSpan.FromHours(1), TimeSpan.FromHours(25)));

    [Fact]
    public async Task Failures_are_delayed_here_and_not_elsewhere()
    {
        await using var desk = await TokenDesk.OpenAsync();
        var secret = await desk.AddAsync("pump", "dev1");
        await desk.AskAsync("pump", "nvs_wrong");

        Assert.IsType<IssueOutcome.Delayed>(await desk.AskAsync("pump", secret));
        Assert.IsType<IssueOutcome.Issued>(await desk.AskAsync("pump", secret, TokenDesk.Elsewhere));
        desk.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.IsType<IssueOutcome.Issued>(await desk.AskAsync("pump", secret));
    }

    [Fact]
    public async Task No_secret_and_no_token_is_logged_or_written_down_and_strangers_cause_debug_at_most()
    {
        await using var desk = await TokenDesk.OpenAsync();
        var secret = await desk.AddAsync("pump", "dev1");
        await desk.AddPasswordAsync("pump", "dev1", "correct horse");
        var issued = Assert.IsType<IssueOutcome.Issued>(await desk.AskAsync("pump", secret));
        await desk.AskAsync("pump", "correct horse");
        await desk.AskAsync("pump", "battery staple");
        await desk.AskAsync("nobody", "battery staple", TokenDesk.Elsewhere);
        await desk.AskAsync("nobody", "battery staple", TokenDesk.Elsewhere);
        await desk.Audit.DisposeAsync();

        var written = await File.ReadAllTextAsync(Path.Combine(desk.Folder, "audit.jsonl"), TestContext.Current.CancellationToken);
        var everything = written + string.Join('\n', desk.Log.Lines.Select(line => line.Text)) + issued.Token + issued;

        var signature = issued.Token.Token.Split("sig=")[1].Split('&')[0];
        Assert.All([secret, "correct horse", "battery staple", signature, TokenDesk.PolicyKey], text => Assert.DoesNotContain(text, everything, StringComparison.Ordinal));
        Assert.All(desk.Log.Lines.Where(line => !line.Text.Contains("was issued", StringComparison.Ordinal)), line => Assert.True(line.Level <= LogLevel.Debug, line.Text));
        Assert.Contains("\"event\":\"issued\"", written, StringComparison.Ordinal);
        Assert.Contains("the secret is wrong", written, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refusals_that_repeat_are_one_line_of_the_audit_trail_with_their_count()
    {
        await using var desk = await TokenDesk.OpenAsync();
        for (var i = 0; i < 5; i++)
        {
            await desk.AskAsync("nobody", "nvs_x");
            desk.Time.Advance(TimeSpan.FromMilliseconds(1));
        }

        await desk.Audit.DisposeAsync();

        var lines = await File.ReadAllLinesAsync(Path.Combine(desk.Folder, "audit.jsonl"), TestContext.Current.CancellationToken);
        Assert.Equal(2, lines.Length);
        Assert.Contains(lines, line => line.Contains("unknown", StringComparison.Ordinal) && line.Contains("\"count\":1", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.Contains("delayed", StringComparison.Ordinal) && line.Contains("\"count\":4", StringComparison.Ordinal));
    }
}
