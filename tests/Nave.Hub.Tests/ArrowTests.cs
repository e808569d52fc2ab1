using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Nave.Hub.Tests;

/// <summary>Who may know whom (design.md 1, codebases.md 2). Adding an arrow means editing these tables, in review.</summary>
public sealed partial class ArrowTests
{
    private static readonly Dictionary<string, string[]> ProjectArrows = new()
    {
        ["Nave.Protocol"] = [],
        ["Nave.Mqtt"] = [],
        ["Nave.EventLog"] = ["Nave.Protocol"],
        ["Nave.Storage"] = ["Nave.Protocol", "Nave.EventLog"],
        ["Nave.Hub"] = ["Nave.Protocol", "Nave.Mqtt", "Nave.EventLog", "Nave.Storage"],
        ["Nave.Tokens"] = ["Nave.Protocol", "Nave.Storage"],
        ["Nave.PskGateway"] = ["Nave.Protocol", "Nave.Mqtt", "Nave.Storage"],
        ["Nave.Cli"] = ["Nave.Hub", "Nave.Tokens", "Nave.PskGateway", "Nave.Protocol", "Nave.Mqtt"],
    };

    // What a folder of the hub must not name.
    private static readonly Dictionary<string, string[]> ForbiddenInFolder = new()
    {
        ["Heads/Mqtt"] = ["Nave.Storage", "Nave.Hub.Heads.Amqp", "Nave.Hub.Heads.Http", "Microsoft.Data.Sqlite", "Amqp"],
        ["Heads/Amqp"] = ["Nave.Storage", "Nave.Hub.Heads.Mqtt", "Nave.Hub.Heads.Http", "Microsoft.Data.Sqlite", "Nave.Mqtt"],
        ["Heads/Http"] = ["Nave.Storage", "Nave.Hub.Heads.Mqtt", "Nave.Hub.Heads.Amqp", "Microsoft.Data.Sqlite", "Nave.Mqtt", "Amqp"],
        ["Access"] = ["Nave.Hub.Heads", "Nave.EventLog", "Nave.Mqtt", "Amqp", "Microsoft.Data.Sqlite"],
        ["Devices"] = ["Nave.Hub.Heads", "Nave.Mqtt", "Amqp", "Microsoft.Data.Sqlite"],
        ["Telemetry"] = ["Nave.Hub.Heads", "Nave.Mqtt", "Amqp", "Microsoft.Data.Sqlite"],
    };

    private static readonly string Root = RepositoryRoot.Path;

    [Fact]
    public void Projects_reference_only_what_the_plan_allows()
    {
        foreach (var (project, allowed) in ProjectArrows)
        {
            var file = Path.Combine(Root, "src", project, project + ".csproj");
            var references = XDocument.Load(file).Descendants("ProjectReference")
                .Select(reference => Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value.Replace('\\', '/')));

            Assert.All(references, reference => Assert.Contains(reference, allowed));
        }
    }

    [Fact]
    public void Every_project_is_in_the_table() =>
        Assert.Equal(
            ProjectArrows.Keys.Order(),
            Directory.GetDirectories(Path.Combine(Root, "src")).Select(Path.GetFileName).Order());

    [Fact]
    public void Folders_of_the_hub_name_only_what_they_may_know()
    {
        var broken = new List<string>();
        foreach (var (folder, forbidden) in ForbiddenInFolder)
        {
            var path = Path.Combine(Root, "src", "Nave.Hub", folder);
            if (!Directory.Exists(path))
            {
                continue;
            }

            foreach (var file in Directory.EnumerateFiles(path, "*.cs", SearchOption.AllDirectories))
            {
                broken.AddRange(
                    from Match match in UsingLine().Matches(File.ReadAllText(file))
                    let name = match.Groups[1].Value
                    where forbidden.Any(f => name == f || name.StartsWith(f + ".", StringComparison.Ordinal))
                    select $"{Path.GetRelativePath(Root, file)} uses {name}");
            }
        }

        Assert.Empty(broken);
    }

    [GeneratedRegex(@"^using (?:static )?(?:\w+ = )?([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex UsingLine();
}
