using System.CommandLine;
using Nave.Hub.Hosting;

namespace Nave.Cli.Commands;

/// <summary>The options of a role, from a table of its own, on a command: a flag for each that has one, <c>--config</c> and <c>--set</c>.</summary>
/// <typeparam name="TOptions">What they are read into.</typeparam>
internal sealed class RoleArguments<TOptions>
    where TOptions : class, new()
{
    private readonly RoleOptionTable<TOptions> _table;
    private readonly Option<FileInfo?> _config = SettingArguments.ConfigOption();
    private readonly Option<string[]> _set = SettingArguments.SetOption();
    private readonly List<(RoleOptionRow<TOptions> Row, Option Option)> _flags;

    private RoleArguments(RoleOptionTable<TOptions> table, Func<RoleOptionRow<TOptions>, bool> has)
    {
        _table = table;
        _flags = [.. table.Rows.Where(row => row.Flag is not null && has(row)).Select(row => (row, FlagOf(row)))];
    }

    /// <summary>Adds them.</summary>
    /// <param name="command">The command.</param>
    /// <param name="table">All options of the role.</param>
    /// <param name="has">Which flags it has; the others can still be set by file, environment and <c>--set</c>.</param>
    public static RoleArguments<TOptions> AddTo(Command command, RoleOptionTable<TOptions> table, Func<RoleOptionRow<TOptions>, bool> has)
    {
        var arguments = new RoleArguments<TOptions>(table, has);
        arguments._flags.ForEach(flag => command.Options.Add(flag.Option));
        command.Options.Add(arguments._config);
        command.Options.Add(arguments._set);
        return arguments;
    }

    /// <summary>What file, environment and flags say together.</summary>
    /// <exception cref="CommandFailedException">Something is unknown or malformed.</exception>
    public TOptions Read(ParseResult parsed)
    {
        var problems = new List<string>();
        var options = new TOptions();
        foreach (var setting in OptionReader.ReadSettings(
            parsed.GetValue(_config)?.FullName, Environment.GetEnvironmentVariables(), _table.EnvironmentPrefix,
            [
                .. SettingArguments.OfFlags(parsed, _flags.Select(flag => (flag.Row.Name, flag.Row.Flag!, flag.Option))),
                .. SettingArguments.OfAssignments(parsed.GetValue(_set)),
            ],
            problems))
        {
            Apply(options, setting, problems);
        }

        return problems.Count == 0 ? options : throw new CommandFailedException(string.Join(Environment.NewLine, problems), isUsage: true);
    }

    private void Apply(TOptions options, OptionSetting setting, List<string> problems)
    {
        if (_table.Find(setting.Name) is not { } row)
        {
            var near = OptionValue.Nearest(setting.Name, _table.Rows.Select(known => known.Name));
            problems.Add($"{setting.Source}: there is no option '{setting.Name}'{(near is null ? "; docs/operations.md lists them all" : $"; did you mean '{near}'?")}");
            return;
        }

        try
        {
            row.Set(options, setting.Value);
        }
        catch (FormatException e)
        {
            problems.Add($"{setting.Source}: {row.Name}: {e.Message}");
        }
    }

    private static Option FlagOf(RoleOptionRow<TOptions> row)
    {
        var description = $"{row.Meaning} [{row.Default}]";
        return row.IsSwitch
            ? new Option<bool>(row.Flag!) { Description = description }
            : new Option<string[]>(row.Flag!) { Description = description, HelpName = row.Name, Arity = ArgumentArity.OneOrMore };
    }
}

/// <summary>Every option of a role: command line, configuration file, environment and <c>docs/operations.md</c> follow it.</summary>
/// <param name="EnvironmentPrefix">What environment variables of these options begin with: not the hub's, which may run in the same shell.</param>
/// <param name="Rows">All options in the order of the documentation.</param>
internal sealed record RoleOptionTable<TOptions>(string EnvironmentPrefix, IReadOnlyList<RoleOptionRow<TOptions>> Rows)
{
    /// <summary>The option of that name, upper or lower case.</summary>
    public RoleOptionRow<TOptions>? Find(string name) =>
        Rows.FirstOrDefault(row => row.Name.Equals(name, StringComparison.OrdinalIgnoreCase));
}

/// <summary>One option of a role.</summary>
internal sealed record RoleOptionRow<TOptions>(string Name, string? Flag, string Default, string Meaning, Action<TOptions, string> Set)
{
    /// <summary>The flag takes no value.</summary>
    public bool IsSwitch { get; init; }
}
