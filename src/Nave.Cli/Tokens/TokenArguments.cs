using System.CommandLine;
using Nave.Cli.Commands;
using Nave.Hub.Hosting;

namespace Nave.Cli.Tokens;

/// <summary>The options of <c>nave tokens</c> on a command: a flag for each that has one, <c>--config</c> and <c>--set</c>.</summary>
internal sealed class TokenArguments
{
    private readonly Option<FileInfo?> _config = SettingArguments.ConfigOption();
    private readonly Option<string[]> _set = SettingArguments.SetOption();
    private readonly List<(TokenOptionRow Row, Option Option)> _flags;

    private TokenArguments(IEnumerable<TokenOptionRow> rows) => _flags = [.. rows.Select(row => (row, FlagOf(row)))];

    /// <summary>Adds them.</summary>
    /// <param name="command">The command.</param>
    /// <param name="has">Which flags it has; the others can still be set by file, environment and <c>--set</c>.</param>
    public static TokenArguments AddTo(Command command, Func<TokenOptionRow, bool> has)
    {
        var arguments = new TokenArguments(TokenOptionTable.Rows.Where(row => row.Flag is not null && has(row)));
        arguments._flags.ForEach(flag => command.Options.Add(flag.Option));
        command.Options.Add(arguments._config);
        command.Options.Add(arguments._set);
        return arguments;
    }

    /// <summary>What file, environment and flags say together.</summary>
    /// <exception cref="CommandFailedException">Something is unknown or malformed.</exception>
    public TokenRunOptions Read(ParseResult parsed)
    {
        var problems = new List<string>();
        var options = new TokenRunOptions();
        foreach (var setting in OptionReader.ReadSettings(
            parsed.GetValue(_config)?.FullName, Environment.GetEnvironmentVariables(), TokenOptionTable.EnvironmentPrefix,
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

    private static void Apply(TokenRunOptions options, OptionSetting setting, List<string> problems)
    {
        if (TokenOptionTable.Find(setting.Name) is not { } row)
        {
            var near = OptionValue.Nearest(setting.Name, TokenOptionTable.Rows.Select(known => known.Name));
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

    private static Option FlagOf(TokenOptionRow row)
    {
        var description = $"{row.Meaning} [{row.Default}]";
        return row.IsSwitch
            ? new Option<bool>(row.Flag!) { Description = description }
            : new Option<string[]>(row.Flag!) { Description = description, HelpName = row.Name, Arity = ArgumentArity.OneOrMore };
    }
}
