using System.Collections;

namespace Nave.Hub.Hosting;

/// <summary>
/// Puts options together: flag over environment over file over default. Whatever is not understood stops the start and
/// says where it stands.
/// </summary>
public static class OptionReader
{
    /// <summary>What environment variables of options begin with.</summary>
    public const string EnvironmentPrefix = "NAVE__";

    /// <summary>Reads the file, if any, then the environment, then the flags.</summary>
    /// <param name="configurationFile">A YAML file, or null.</param>
    /// <param name="environment">All variables; others than ours are passed over.</param>
    /// <param name="flags">What the command line said, as settings.</param>
    /// <exception cref="StartFailureException">Something is unknown or malformed.</exception>
    public static HubOptions Read(string? configurationFile, IDictionary environment, IEnumerable<OptionSetting> flags)
    {
        var options = new HubOptions();
        var problems = new List<string>();
        if (configurationFile is not null)
        {
            var file = ConfigurationFile.Read(configurationFile, problems);
            Apply(options, file.Settings, problems);
            options.Seed = file.Seed;
        }

        Apply(options, FromEnvironment(environment, EnvironmentPrefix), problems);
        Apply(options, flags, problems);
        if ((options.Tls.CertificateFile is null) != (options.Tls.KeyFile is null))
        {
            problems.Add("Tls:CertificateFile and Tls:KeyFile belong together: set both or neither");
        }

        return problems.Count == 0 ? options : throw new StartFailureException(string.Join(Environment.NewLine, problems)) { IsUsage = true };
    }

    /// <summary>
    /// The settings of another role, whose options are in a table of its own, in the order in which they apply: file,
    /// environment, flags. What is wrong with the file's form goes to <paramref name="problems"/>.
    /// </summary>
    public static IReadOnlyList<OptionSetting> ReadSettings(
        string? configurationFile, IDictionary environment, string environmentPrefix, IEnumerable<OptionSetting> flags, List<string> problems)
    {
        var file = configurationFile is null ? null : ConfigurationFile.Read(configurationFile, problems);
        if (file?.SeedAt is { } where)
        {
            problems.Add($"{where}: there is no section 'Seed' here; it is the hub's");
        }

        return [.. file?.Settings ?? [], .. FromEnvironment(environment, environmentPrefix), .. flags];
    }

    private static IEnumerable<OptionSetting> FromEnvironment(IDictionary environment, string prefix) =>
        environment.Keys.OfType<string>()
            .Where(name => name.StartsWith(prefix, StringComparison.Ordinal))
            .Order(StringComparer.Ordinal)
            .Select(name => new OptionSetting(
                name[prefix.Length..].Replace("__", ":", StringComparison.Ordinal),
                (string?)environment[name] ?? "",
                $"environment variable {name}"));

    private static void Apply(HubOptions options, IEnumerable<OptionSetting> settings, List<string> problems)
    {
        foreach (var setting in settings)
        {
            if (OptionTable.Find(setting.Name) is not { } row)
            {
                var hint = OptionTable.WhyRefused(setting.Name) is { } reason ? $": {reason}"
                    : OptionTable.Nearest(setting.Name) is { } nearest ? $"; did you mean '{nearest}'?" : "; docs/operations.md lists them all";
                problems.Add($"{setting.Source}: there is no option '{setting.Name}'{hint}");
                continue;
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
    }
}

/// <summary>One option as somebody wrote it.</summary>
/// <param name="Name"><c>Section:PascalCase</c>.</param>
/// <param name="Value">Its text.</param>
/// <param name="Source">Where it stands, for error messages.</param>
public readonly record struct OptionSetting(string Name, string Value, string Source);
