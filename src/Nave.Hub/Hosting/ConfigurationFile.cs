using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Nave.Hub.Hosting;

/// <summary>
/// The YAML configuration file: sections of options, and <c>Seed</c>. Keeps the line of everything it read, so that a
/// mistake is reported where it stands.
/// </summary>
internal sealed class ConfigurationFile
{
    private readonly string _path;
    private readonly List<string> _problems;
    private readonly List<OptionSetting> _settings = [];

    private ConfigurationFile(string path, List<string> problems)
    {
        _path = path;
        _problems = problems;
    }

    /// <summary>The options that the file sets, unchecked.</summary>
    public IReadOnlyList<OptionSetting> Settings => _settings;

    /// <summary>What the section <c>Seed</c> says.</summary>
    public HubSeed Seed { get; private set; } = new();

    /// <summary>Where the section <c>Seed</c> begins; null where there is none.</summary>
    public string? SeedAt { get; private set; }

    /// <summary>Reads the file; what is wrong with its form goes to <paramref name="problems"/>.</summary>
    public static ConfigurationFile Read(string path, List<string> problems)
    {
        var file = new ConfigurationFile(path, problems);
        try
        {
            using var text = File.OpenText(path);
            var yaml = new YamlStream();
            yaml.Load(text);
            if (yaml.Documents.Count > 0)
            {
                file.ReadRoot(yaml.Documents[0].RootNode);
            }
        }
        catch (YamlException e)
        {
            problems.Add($"{path} line {e.Start.Line}: {e.InnerException?.Message ?? e.Message}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problems.Add($"The configuration file {path} cannot be read: {e.Message}");
        }

        return file;
    }

    private void ReadRoot(YamlNode root)
    {
        foreach (var (section, content) in Pairs(root))
        {
            if (section.Equals("Seed", StringComparison.OrdinalIgnoreCase))
            {
                SeedAt = Where(content);
                Seed = new SeedReader(Pairs, Text, Items, (node, message) => _problems.Add($"{Where(node)}: {message}")).Read(content);
                continue;
            }

            foreach (var (key, value) in Pairs(content))
            {
                var text = value is YamlSequenceNode list ? string.Join(',', list.Children.Select(item => Text(item) ?? "")) : Text(value);
                if (text is not null)
                {
                    _settings.Add(new OptionSetting($"{section}:{key}", text, Where(value)));
                }
            }
        }
    }

    private IEnumerable<(string Key, YamlNode Value)> Pairs(YamlNode node)
    {
        if (node is YamlMappingNode map)
        {
            return map.Children.Select(pair => (Text(pair.Key) ?? "", pair.Value));
        }

        if (node is not YamlScalarNode { Value: null or "" })
        {
            _problems.Add($"{Where(node)}: names with values are expected here, such as 'Name: value'");
        }

        return [];
    }

    private IEnumerable<YamlNode> Items(YamlNode node)
    {
        if (node is YamlSequenceNode list)
        {
            return list.Children;
        }

        _problems.Add($"{Where(node)}: a list is expected here, each entry with a leading '-'");
        return [];
    }

    private string? Text(YamlNode node)
    {
        if (node is YamlScalarNode scalar)
        {
            return scalar.Value ?? "";
        }

        _problems.Add($"{Where(node)}: a single value is expected here");
        return null;
    }

    private string Where(YamlNode node) => $"{_path} line {node.Start.Line}";
}
