using System.CommandLine;
using Nave.Cli.Commands;
using Nave.Cli.Psk;

namespace Nave.Cli.Tests;

public sealed class PskOptionTests
{
    [Fact]
    public void Every_option_stands_in_the_operations_page_as_the_table_has_it()
    {
        var page = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs", "operations.md"));

        Assert.All(PskOptionTable.All.Rows, row => Assert.Contains(
            $"| `{row.Name}` | {(row.Flag is null ? "" : $"`{row.Flag}`")} | {row.Default} | {row.Meaning} |", page, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("Identities:Pattern=(?=x)", "linear time")]
    [InlineData("Mqtt:ClientId=some", "Mqtt:ClientId")]
    [InlineData("Topics:Unmaped=drop", "did you mean 'Topics:Unmapped'")]
    public void What_is_not_understood_stops_the_start(string setting, string why)
    {
        var command = new Command("run");
        var arguments = RoleArguments<PskRunOptions>.AddTo(command, PskOptionTable.All, _ => true);

        var failure = Assert.Throws<CommandFailedException>(() => arguments.Read(command.Parse(["--set", setting])));

        Assert.True(failure.IsUsage);
        Assert.Contains(why, failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("dev:00112233445566778899aabbccddeeff", "dev", "00112233445566778899aabbccddeeff", null)]
    [InlineData("AA:BB:CC:00112233445566778899aabbccddeeff", "AA:BB:CC", "00112233445566778899aabbccddeeff", null)]
    [InlineData("AA:BB:00112233445566778899aabbccddeeff:meter-7", "AA:BB", "00112233445566778899aabbccddeeff", "meter-7")]
    [InlineData("dev", null, null, null)]
    [InlineData(":00112233445566778899aabbccddeeff", null, null, null)]
    public void A_key_files_line_is_read_from_its_end(string line, string? identity, string? hex, string? device)
    {
        var read = PskLine.Parse(line);

        Assert.Equal((identity, hex, device), (read?.Identity, read?.Hex, read?.Device?.Value));
    }
}
