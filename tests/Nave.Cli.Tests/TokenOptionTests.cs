using System.CommandLine;
using Nave.Cli.Commands;
using Nave.Cli.Tokens;

namespace Nave.Cli.Tests;

public sealed class TokenOptionTests : IDisposable
{
    private readonly string _file = Path.GetTempFileName();

    [Fact]
    public void Every_option_stands_in_the_operations_page_as_the_table_has_it()
    {
        var page = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs", "operations.md"));

        Assert.All(TokenOptionTable.All.Rows, row => Assert.Contains(
            $"| `{row.Name}` | {(row.Flag is null ? "" : $"`{row.Flag}`")} | {row.Default} | {row.Meaning} |", page, StringComparison.Ordinal));
    }

    [Fact]
    public void A_flag_wins_over_the_file()
    {
        File.WriteAllText(_file, "Tokens:\n  Life: 30m\nLimits:\n  TokensPerHourPerDevice: 7\n");

        var options = Read("--config", _file, "--life", "10m");

        Assert.Equal((TimeSpan.FromMinutes(10), 7), (options.Life, options.TokensPerHourPerDevice));
    }

    [Theory]
    [InlineData("Tokens:\n  Lief: 30m\n", "did you mean 'Tokens:Life'")]
    [InlineData("Tokens:\n  LongestLife: 25h\n", "more than 24 h")]
    [InlineData("Callback:\n  Url: http://plain.example/\n", "not an https URL")]
    [InlineData("Oidc:\n  JwksUrl: http://plain.example/\n", "not an https URL")]
    [InlineData("Seed:\n  Devices: []\n", "no section 'Seed'")]
    public void What_is_not_understood_stops_the_start(string yaml, string why)
    {
        File.WriteAllText(_file, yaml);

        var failure = Assert.Throws<CommandFailedException>(() => Read("--config", _file));

        Assert.True(failure.IsUsage);
        Assert.Contains(why, failure.Message, StringComparison.Ordinal);
    }

    public void Dispose() => File.Delete(_file);

    private static TokenRunOptions Read(params string[] arguments)
    {
        var command = new Command("run");
        var token = RoleArguments<TokenRunOptions>.AddTo(command, TokenOptionTable.All, _ => true);
        return token.Read(command.Parse(arguments));
    }
}
