using System.CommandLine;
using Nave.Hub.Hosting;

namespace Nave.Cli.Commands;

/// <summary>What commands with an option table have in common: <c>--config</c>, <c>--set</c>, and a flag for each option that has one.</summary>
internal static class SettingArguments
{
    /// <summary>The option <c>--config</c>.</summary>
    public static Option<FileInfo?> ConfigOption() => new("--config") { Description = "Configuration file (YAML)", HelpName = "FILE" };

    /// <summary>The option <c>--set</c>; may be given several times.</summary>
    public static Option<string[]> SetOption() => new("--set")
    {
        Description = "Any option of the configuration file, as Section:Name=value",
        HelpName = "OPTION=VALUE",
        Arity = ArgumentArity.ZeroOrMore,
    };

    /// <summary>What the flags that were given say.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="flags">The option's name in the table, its flag as written, and the flag itself.</param>
    public static IEnumerable<OptionSetting> OfFlags(ParseResult parsed, IEnumerable<(string Name, string Flag, Option Option)> flags) =>
        from flag in flags
        let value = flag.Option switch
        {
            Option<bool> isOn => parsed.GetValue(isOn) ? "true" : null,
            Option<string[]> many => parsed.GetValue(many) is { Length: > 0 } all ? string.Join(',', all) : null,
            Option<string?> one => parsed.GetValue(one),
            _ => null,
        }
        where value is not null
        select new OptionSetting(flag.Name, value, flag.Flag);

    /// <summary>What <c>--set</c> says.</summary>
    public static IEnumerable<OptionSetting> OfAssignments(string[]? assignments) =>
        from assignment in assignments ?? []
        let split = assignment.IndexOf('=', StringComparison.Ordinal)
        select split > 0
            ? new OptionSetting(assignment[..split], assignment[(split + 1)..], $"--set {assignment[..split]}")
            : new OptionSetting(assignment, "", "--set");
}
