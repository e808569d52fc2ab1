using System.CommandLine;

namespace Nave.Cli.Hubs;

/// <summary>The options by which a command finds its hub.</summary>
internal sealed class HubArguments
{
    private const string DataVariable = "NAVE_DATA";
    private const string DefaultData = "nave-data";

    private readonly Option<string?> _data = new("--data")
    {
        Description = $"Data directory of the local hub [{DataVariable}, or ./{DefaultData}]",
        HelpName = "DIR",
    };

    private readonly Option<string?> _login = new("--login", "-l")
    {
        Description = "Connection string of any hub, Azure's included, instead of the local one",
        HelpName = "CONNECTION-STRING",
    };

    private readonly Option<string?> _ca = new("--ca-file")
    {
        Description = "Authority to trust with --login (PEM) [the system's]",
        HelpName = "FILE",
    };

    /// <summary>Adds them to a command.</summary>
    public static HubArguments AddTo(Command command)
    {
        var arguments = new HubArguments();
        command.Options.Add(arguments._data);
        command.Options.Add(arguments._login);
        command.Options.Add(arguments._ca);
        return arguments;
    }

    /// <summary>The data directory only, for commands that speak to the operator port.</summary>
    public static Func<ParseResult, string> AddDataTo(Command command)
    {
        var arguments = new HubArguments();
        command.Options.Add(arguments._data);
        return arguments.DataDirectory;
    }

    /// <summary>The hub that the command line means.</summary>
    /// <exception cref="CommandFailedException">There is none.</exception>
    public HubTarget Resolve(ParseResult parsed) =>
        parsed.GetValue(_login) is { } login
            ? HubTarget.Of(login, parsed.GetValue(_ca))
            : HubTarget.OfDataDirectory(DataDirectory(parsed));

    private string DataDirectory(ParseResult parsed) =>
        parsed.GetValue(_data) ?? Environment.GetEnvironmentVariable(DataVariable) ?? DefaultData;
}
