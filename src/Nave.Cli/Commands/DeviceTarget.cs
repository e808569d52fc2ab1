using System.CommandLine;
using Nave.Protocol.Identities;

namespace Nave.Cli.Commands;

/// <summary>Whom a command is about: a device by argument, or a module of it by <c>--module</c>.</summary>
internal sealed class DeviceTarget
{
    private readonly Argument<string> _device = new("DEVICE") { Description = "Device id" };
    private readonly Option<string?> _module = new("--module", "-m") { Description = "A module of the device instead", HelpName = "MODULE" };

    private DeviceTarget()
    {
        _device.Validators.Add(Validate);
        _module.Validators.Add(Validate);
    }

    /// <summary>Adds them to a command.</summary>
    public static DeviceTarget AddTo(Command command)
    {
        var target = new DeviceTarget();
        command.Arguments.Add(target._device);
        command.Options.Add(target._module);
        return target;
    }

    /// <summary>The identity that the command line names.</summary>
    public IdentityId Read(ParseResult parsed) => new(
        DeviceId.Parse(parsed.GetRequiredValue(_device)), parsed.GetValue(_module) is { } module ? ModuleId.Parse(module) : null);

    private static void Validate(System.CommandLine.Parsing.SymbolResult result)
    {
        if (result.Tokens is [var token] && !IdentityText.IsValid(token.Value))
        {
            result.AddError($"'{token.Value}' cannot be an id: {IdentityText.Rule}.");
        }
    }
}
