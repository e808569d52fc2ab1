using System.Diagnostics.CodeAnalysis;
using Nave.Protocol.Access;
using Nave.Protocol.Identities;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>
/// What a CONNECT's user name says: hub, identity and parameters, in any of the forms in use
/// (spec/device-mqtt.md 2.1, "Username grammar"). The identity's parts are text: whether they may be ids is asked later.
/// </summary>
internal sealed record MqttUserName
{
    /// <summary>DTDL's own bound of a model id; what is longer would not fit beside a stored event either.</summary>
    public const int MaxModelIdLength = 2048;

    // What a user name without one means: clients of 2016 have none (spec/device-mqtt.md 2.1, form 3).
    private const string FirstApiVersion = "2016-11-14";

    // How the C# client of 2017 joined its two parameters (form 5).
    private const string SlashedClientType = "/DeviceClientType=";

    /// <summary>Without port.</summary>
    public required string HostName { get; init; }

    /// <summary>Never percent-encoded.</summary>
    public required string DeviceId { get; init; }

    /// <summary>Null for a device.</summary>
    public string? ModuleId { get; init; }

    /// <summary>Any text.</summary>
    public string ApiVersion { get; private init; } = FirstApiVersion;

    /// <summary>The DTDL model that the device announces, or null.</summary>
    public string? ModelId { get; private init; }

    /// <summary>The client's user agent, or null. Chosen by a stranger.</summary>
    public string? ClientType { get; private init; }

    /// <summary>What the client id must be, character by character.</summary>
    public string ExpectedClientId => ModuleId is null ? DeviceId : $"{DeviceId}/{ModuleId}";

    /// <summary>Reads a user name; false when it is not one of the forms (CONNACK 4).</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out MqttUserName? userName)
    {
        userName = null;
        ReadOnlySpan<char> rest = text;
        var host = TakeSegment(ref rest);
        var device = TakeSegment(ref rest);
        var module = IsParameters(rest) ? default : TakeSegment(ref rest);
        if (host.IsEmpty || device.IsEmpty || (module.IsEmpty && !rest.IsEmpty && !IsParameters(rest)))
        {
            return false;
        }

        if (!rest.IsEmpty && !IsParameters(rest))
        {
            return false;
        }

        var identity = new MqttUserName
        {
            HostName = HubNames.WithoutPort(host.ToString()),
            DeviceId = device.ToString(),
            ModuleId = module.IsEmpty ? null : module.ToString(),
        };
        userName = WithParameters(identity, rest.TrimStart('?'));
        return identity.HostName.Length > 0 && !(userName.ModelId?.Length > MaxModelIdLength);
    }

    /// <summary>The identity, or null when a part is no legal id (CONNACK 2).</summary>
    public IdentityId? ToIdentity() =>
        !Nave.Protocol.Identities.DeviceId.TryParse(DeviceId, out var device) ? null
        : ModuleId is null ? new IdentityId(device)
        : Nave.Protocol.Identities.ModuleId.TryParse(ModuleId, out var module) ? new IdentityId(device, module)
        : null;

    private static ReadOnlySpan<char> TakeSegment(ref ReadOnlySpan<char> rest)
    {
        var slash = rest.IndexOf('/');
        var segment = slash < 0 ? rest : rest[..slash];
        rest = slash < 0 ? default : rest[(slash + 1)..];
        return segment;
    }

    // A segment that starts with "?" or that names the api-version cannot be a module: "/" ends both kinds of id.
    private static bool IsParameters(ReadOnlySpan<char> rest)
    {
        var slash = rest.IndexOf('/');
        var segment = slash < 0 ? rest : rest[..slash];
        return segment.StartsWith("?", StringComparison.Ordinal)
            || segment.Contains("api-version=", StringComparison.Ordinal);
    }

    private static MqttUserName WithParameters(MqttUserName userName, ReadOnlySpan<char> parameters)
    {
        // The first of a repeated key wins; unknown keys are ignored. Node writes model-id raw: only the first "=" counts.
        string? apiVersion = null;
        string? modelId = null;
        string? clientType = null;
        foreach (var range in parameters.Split('&'))
        {
            var pair = parameters[range];
            var equals = pair.IndexOf('=');
            if (equals < 0)
            {
                continue;
            }

            switch (pair[..equals])
            {
                case "api-version":
                    apiVersion ??= Unescape(pair[(equals + 1)..]);
                    break;
                case "model-id":
                    modelId ??= Unescape(pair[(equals + 1)..]);
                    break;
                case "DeviceClientType":
                    clientType ??= Unescape(pair[(equals + 1)..]);
                    break;
            }
        }

        if (apiVersion?.IndexOf(SlashedClientType, StringComparison.Ordinal) is > 0 and var at)
        {
            clientType ??= apiVersion[(at + SlashedClientType.Length)..];
            apiVersion = apiVersion[..at];
        }

        return userName with
        {
            ApiVersion = apiVersion ?? FirstApiVersion,
            ModelId = string.IsNullOrEmpty(modelId) ? null : modelId,
            ClientType = clientType,
        };
    }

    // Lenient: a broken escape stays as it is, since nothing but display hangs on these values.
    private static string Unescape(ReadOnlySpan<char> value) => Uri.UnescapeDataString(value);
}
