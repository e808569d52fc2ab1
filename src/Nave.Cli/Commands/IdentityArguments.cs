using System.CommandLine;
using System.Text.Json.Nodes;
using Nave.Cli.Hubs;
using Nave.Protocol.Identities;

namespace Nave.Cli.Commands;

/// <summary>Which kind of identity a command is about.</summary>
internal enum IdentityKind
{
    Device,
    Module,
}

/// <summary>The arguments that name a device, or a module of one.</summary>
internal sealed class IdentityArguments
{
    private readonly Argument<string> _device = new("DEVICE") { Description = "Device id" };
    private readonly Argument<string>? _module;

    private IdentityArguments(Command command, IdentityKind kind)
    {
        _device.Validators.Add(Validate);
        command.Arguments.Add(_device);
        if (kind is IdentityKind.Module)
        {
            _module = new Argument<string>("MODULE") { Description = "Module id" };
            _module.Validators.Add(Validate);
            command.Arguments.Add(_module);
        }
    }

    /// <summary>Adds them to a command.</summary>
    public static IdentityArguments AddTo(Command command, IdentityKind kind) => new(command, kind);

    /// <summary>The identity's path in the service API.</summary>
    public string PathOf(ParseResult parsed) => HubRest.PathOf(parsed.GetRequiredValue(_device), ModuleOf(parsed));

    /// <summary>The body that registers it, before anything else was said.</summary>
    public JsonObject NewIdentity(ParseResult parsed)
    {
        var identity = new JsonObject { ["deviceId"] = parsed.GetRequiredValue(_device) };
        if (ModuleOf(parsed) is { } module)
        {
            identity["moduleId"] = module;
        }

        return identity;
    }

    private string? ModuleOf(ParseResult parsed) => _module is null ? null : parsed.GetRequiredValue(_module);

    private static void Validate(System.CommandLine.Parsing.ArgumentResult result)
    {
        if (result.Tokens is [var token] && !IdentityText.IsValid(token.Value))
        {
            result.AddError($"'{token.Value}' cannot be an id: {IdentityText.Rule}.");
        }
    }
}
