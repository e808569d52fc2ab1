using System.Globalization;
using System.Text.RegularExpressions;

namespace Nave.Conformance.Tests;

/// <summary>
/// Every row of a spec file's checklist is cited by a test or accounted for in docs/protocol-support.md. That page lists
/// all rows; a row's state there is <c>tested</c>, or says why not, or which part of Nave is still to come.
/// </summary>
public sealed partial class ChecklistTests
{
    private static readonly string Root = RepositoryRoot.Path;
    private static readonly Dictionary<(string Spec, int Row), string> Documented = ReadSupportPage();
    private static readonly HashSet<(string Spec, int Row)> Tested = ReadCitations();

    [Fact]
    public void Every_row_is_tested_or_accounted_for()
    {
        var missing = Documented.Where(row => row.Value == "tested" && !Tested.Contains(row.Key)).Select(row => row.Key);

        Assert.True(Documented.Count > 300, $"docs/protocol-support.md lists only {Documented.Count} rows.");
        Assert.Empty(missing);
    }

    [Fact]
    public void No_row_that_a_test_covers_is_called_missing()
    {
        var understated = Tested.Where(row => !Documented.TryGetValue(row, out var state)
            || (state != "tested" && !state.StartsWith("partly: ", StringComparison.Ordinal)));

        Assert.Empty(understated);
    }

    [Fact]
    public void Every_row_that_is_not_tested_says_why() =>
        Assert.DoesNotContain(Documented, row => row.Value.Length < 6);

    [Fact]
    public void The_page_lists_each_row_of_the_spec_files_where_they_are_at_hand()
    {
        // The spec lies beside the checkout on the developers' machines and not in a clone: without it the page rules.
        var spec = Path.Combine(Root, "..", "shared", "spec");
        if (!Directory.Exists(spec))
        {
            Assert.NotEmpty(Documented);
            return;
        }

        var rows = Directory.EnumerateFiles(spec, "*.md").SelectMany(RowsOf).ToHashSet();
        Assert.Empty(rows.Except(Documented.Keys));
        Assert.Empty(Documented.Keys.Except(rows));
    }

    private static IEnumerable<(string Spec, int Row)> RowsOf(string file)
    {
        var isChecklist = false;
        foreach (var line in File.ReadLines(file))
        {
            isChecklist = line.StartsWith('#')
                ? line.Contains("CHECKLIST", StringComparison.OrdinalIgnoreCase)
                : isChecklist;
            if (isChecklist && NumberedRow().Match(line) is { Success: true } match)
            {
                yield return (Path.GetFileNameWithoutExtension(file), Number(match.Groups[1].Value));
            }
        }
    }

    private static Dictionary<(string Spec, int Row), string> ReadSupportPage()
    {
        var rows = new Dictionary<(string, int), string>();
        var spec = "";
        foreach (var line in File.ReadLines(Path.Combine(Root, "docs", "protocol-support.md")))
        {
            if (line.StartsWith("## ", StringComparison.Ordinal))
            {
                spec = line[3..].Trim();
            }
            else if (SupportRow().Match(line) is { Success: true } match)
            {
                rows.Add((spec, Number(match.Groups[1].Value)), match.Groups[2].Value.Trim());
            }
        }

        return rows;
    }

    private static HashSet<(string Spec, int Row)> ReadCitations() =>
        Directory.EnumerateFiles(Path.Combine(Root, "tests"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}"))
            .SelectMany(file => Citation().Matches(File.ReadAllText(file)))
            .SelectMany(match => match.Groups[2].Value.Split(',').Select(row => (match.Groups[1].Value, Number(row))))
            .ToHashSet();

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^(\d+)\. ")]
    private static partial Regex NumberedRow();

    [GeneratedRegex(@"^\| (\d+) \| [^|]* \| ([^|]*) \|$")]
    private static partial Regex SupportRow();

    [GeneratedRegex(@"^\s*\[Conformance\(""([\w-]+)"", ([\d, ]+)\)\]", RegexOptions.Multiline)]
    private static partial Regex Citation();
}
