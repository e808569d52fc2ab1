using System.CommandLine;
using System.Text.Json.Nodes;

namespace Nave.Cli.Commands;

/// <summary>The options that say how an identity is to be, on creation or change.</summary>
internal sealed class IdentityChanges
{
    private readonly Option<string?> _primaryKey = new("--primary-key") { Description = "Primary key (base64) [generated]", HelpName = "KEY" };
    private readonly Option<string?> _secondaryKey = new("--secondary-key") { Description = "Secondary key (base64) [generated]", HelpName = "KEY" };
    private readonly Option<string?> _thumbprint = new("--thumbprint")
    {
        Description = "SHA-1 or SHA-256 thumbprint of the device's self-signed certificate, instead of keys",
        HelpName = "HEX",
    };

    private readonly Option<string?> _secondThumbprint = new("--secondary-thumbprint") { Description = "A second thumbprint", HelpName = "HEX" };
    private readonly Option<bool> _byAuthority = new("--ca-signed") { Description = "Authenticated by a certificate of a verified authority" };
    private readonly Option<bool> _disabled = new("--disabled") { Description = "May not connect" };
    private readonly Option<bool> _enabled = new("--enabled") { Description = "May connect again" };
    private readonly Option<string?> _reason = new("--reason") { Description = "Why the status is what it is", HelpName = "TEXT" };
    private readonly bool _isUpdate;

    private IdentityChanges(Command command, IdentityKind kind, bool isUpdate)
    {
        _isUpdate = isUpdate;
        command.Options.Add(_primaryKey);
        command.Options.Add(_secondaryKey);
        command.Options.Add(_thumbprint);
        command.Options.Add(_secondThumbprint);
        command.Options.Add(_byAuthority);
        if (kind is IdentityKind.Device)
        {
            // Modules have no status: they follow their device (spec/security.md 6.4).
            command.Options.Add(_disabled);
            command.Options.Add(_reason);
            if (isUpdate)
            {
                command.Options.Add(_enabled);
            }
        }

        command.Validators.Add(result =>
        {
            var kinds = new Option[] { _primaryKey, _thumbprint, _byAuthority }.Count(option => result.GetResult(option) is { Implicit: false });
            if (kinds > 1)
            {
                result.AddError("Keys, thumbprints and --ca-signed exclude each other: an identity has one way to prove itself.");
            }

            if (result.GetResult(_enabled) is not null && result.GetResult(_disabled) is { Implicit: false })
            {
                result.AddError("--enabled and --disabled exclude each other.");
            }
        });
    }

    /// <summary>Adds them to a command.</summary>
    public static IdentityChanges AddTo(Command command, IdentityKind kind, bool isUpdate) => new(command, kind, isUpdate);

    /// <summary>Puts what was said into the identity's JSON.</summary>
    public void Apply(ParseResult parsed, JsonNode identity)
    {
        if (ReadAuthentication(parsed, identity["authentication"]) is { } authentication)
        {
            identity["authentication"] = authentication;
        }

        if (parsed.GetResult(_disabled) is not null && parsed.GetValue(_disabled))
        {
            identity["status"] = "disabled";
        }
        else if (parsed.GetResult(_enabled) is not null && parsed.GetValue(_enabled))
        {
            identity["status"] = "enabled";
        }

        if (parsed.GetResult(_reason) is not null && parsed.GetValue(_reason) is { } reason)
        {
            identity["statusReason"] = reason;
        }
    }

    private JsonObject? ReadAuthentication(ParseResult parsed, JsonNode? stored)
    {
        if (parsed.GetValue(_byAuthority))
        {
            return new JsonObject { ["type"] = "certificateAuthority" };
        }

        var (first, second) = (parsed.GetValue(_thumbprint), parsed.GetValue(_secondThumbprint));
        if (first is not null || second is not null)
        {
            var before = stored?["x509Thumbprint"];
            return new JsonObject
            {
                ["type"] = "selfSigned",
                ["x509Thumbprint"] = new JsonObject
                {
                    ["primaryThumbprint"] = first ?? (string?)before?["primaryThumbprint"],
                    ["secondaryThumbprint"] = second ?? (string?)before?["secondaryThumbprint"],
                },
            };
        }

        var (primary, secondary) = (parsed.GetValue(_primaryKey), parsed.GetValue(_secondaryKey));
        if (primary is null && secondary is null)
        {
            return null;
        }

        if (!_isUpdate && (primary is null || secondary is null))
        {
            throw new CommandFailedException("Give both keys or neither: --primary-key and --secondary-key.", isUsage: true);
        }

        return new JsonObject
        {
            ["type"] = "sas",
            ["symmetricKey"] = new JsonObject
            {
                ["primaryKey"] = primary ?? (string?)stored?["symmetricKey"]?["primaryKey"],
                ["secondaryKey"] = secondary ?? (string?)stored?["symmetricKey"]?["secondaryKey"],
            },
        };
    }
}
