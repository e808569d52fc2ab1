using YamlDotNet.RepresentationModel;

namespace Nave.Hub.Hosting;

/// <summary>Reads the section <c>Seed</c> of the configuration file.</summary>
internal sealed class SeedReader(
    Func<YamlNode, IEnumerable<(string Key, YamlNode Value)>> pairs,
    Func<YamlNode, string?> text,
    Func<YamlNode, IEnumerable<YamlNode>> items,
    Action<YamlNode, string> problem)
{
    /// <summary>Reads it; reports what it does not know.</summary>
    public HubSeed Read(YamlNode section)
    {
        var seed = new HubSeed();
        foreach (var (key, value) in pairs(section))
        {
            seed = key.ToLowerInvariant() switch
            {
                "overwrite" => seed with { Overwrite = Flag(value) },
                "policies" => seed with { Policies = [.. items(value).Select(ReadPolicy)] },
                "devices" => seed with { Devices = [.. items(value).Select(ReadDevice)] },
                "consumergroups" => seed with { ConsumerGroups = [.. items(value).Select(item => text(item) ?? "")] },
                _ => Unknown(value, key, "Overwrite, Policies, Devices, ConsumerGroups", seed),
            };
        }

        return seed;
    }

    private SeedPolicy ReadPolicy(YamlNode node)
    {
        var policy = new SeedPolicy("", null, null, null);
        foreach (var (key, value) in pairs(node))
        {
            policy = key.ToLowerInvariant() switch
            {
                "name" => policy with { Name = text(value) ?? "" },
                "rights" => policy with { Rights = Joined(value) },
                "primarykey" => policy with { PrimaryKey = Key(value) },
                "secondarykey" => policy with { SecondaryKey = Key(value) },
                _ => Unknown(value, key, "Name, Rights, PrimaryKey, SecondaryKey", policy),
            };
        }

        Need(node, policy.Name, "Name");
        return policy;
    }

    private SeedDevice ReadDevice(YamlNode node)
    {
        var device = new SeedDevice("");
        foreach (var (key, value) in pairs(node))
        {
            device = key.ToLowerInvariant() switch
            {
                "deviceid" => device with { DeviceId = text(value) ?? "" },
                "primarykey" => device with { PrimaryKey = Key(value) },
                "secondarykey" => device with { SecondaryKey = Key(value) },
                "primarythumbprint" => device with { PrimaryThumbprint = text(value) },
                "secondarythumbprint" => device with { SecondaryThumbprint = text(value) },
                "certificateauthority" => device with { CertificateAuthority = Flag(value) },
                "enabled" => device with { IsEnabled = Flag(value) },
                "modules" => device with { Modules = [.. items(value).Select(ReadModule)] },
                _ => Unknown(
                    value, key,
                    "DeviceId, PrimaryKey, SecondaryKey, PrimaryThumbprint, SecondaryThumbprint, CertificateAuthority, Enabled, Modules",
                    device),
            };
        }

        Need(node, device.DeviceId, "DeviceId");
        return device;
    }

    private SeedModule ReadModule(YamlNode node)
    {
        var module = new SeedModule("", null, null);
        foreach (var (key, value) in pairs(node))
        {
            module = key.ToLowerInvariant() switch
            {
                "moduleid" => module with { ModuleId = text(value) ?? "" },
                "primarykey" => module with { PrimaryKey = Key(value) },
                "secondarykey" => module with { SecondaryKey = Key(value) },
                _ => Unknown(value, key, "ModuleId, PrimaryKey, SecondaryKey", module),
            };
        }

        Need(node, module.ModuleId, "ModuleId");
        return module;
    }

    private string? Joined(YamlNode node) =>
        node is YamlSequenceNode ? string.Join(", ", items(node).Select(text)) : text(node);

    private bool Flag(YamlNode node)
    {
        if (bool.TryParse(text(node), out var value))
        {
            return value;
        }

        problem(node, "true or false is expected here");
        return false;
    }

    // spec/security.md 2.2: keys are 16 to 64 bytes after decoding.
    private string? Key(YamlNode node)
    {
        var key = text(node);
        Span<byte> decoded = stackalloc byte[64];
        if (key is null || !Convert.TryFromBase64String(key, decoded, out var length) || length < 16)
        {
            problem(node, "a key is 16 to 64 bytes in base64");
        }

        return key;
    }

    private void Need(YamlNode node, string value, string name)
    {
        if (value.Length == 0)
        {
            problem(node, $"{name} is missing");
        }
    }

    private T Unknown<T>(YamlNode node, string key, string known, T unchanged)
    {
        problem(node, $"there is no '{key}' here; known are {known}");
        return unchanged;
    }
}
