using System.Text.RegularExpressions;
using Nave.Hub.Hosting;

namespace Nave.Hub.Tests.Hosting;

public sealed partial class DocumentationTests
{
    [Fact]
    public void Every_option_stands_in_the_operations_page_as_the_table_has_it()
    {
        var page = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs", "operations.md"));

        Assert.All(OptionTable.Rows, row => Assert.Contains(
            $"| `{row.Name}` | {(row.Flag is null ? "" : $"`{row.Flag}`")} | {row.Default} | {row.Meaning} |", page, StringComparison.Ordinal));
    }

    [Fact]
    public void Every_path_that_the_architecture_names_exists()
    {
        var page = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs", "architecture.md"));
        var paths = PathInText().Matches(page).Select(match => match.Groups[1].Value).ToList();

        Assert.NotEmpty(paths);
        Assert.All(paths, path => Assert.True(Path.Exists(Path.Combine(RepositoryRoot.Path, path)), $"{path} does not exist"));
    }

    [GeneratedRegex("`((?:src|tests|docs)/[^`]*)`")]
    private static partial Regex PathInText();
}
