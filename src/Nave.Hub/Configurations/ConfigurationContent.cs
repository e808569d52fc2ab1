using System.Text.Json;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Configurations;

/// <summary>What a configuration sets, and in whose twins (spec/service-rest.md 10). Never changes once it is made.</summary>
internal sealed record ConfigurationContent
{
    /// <summary>In the twins of the devices that it targets.</summary>
    public IReadOnlyList<TwinSetting> Device { get; private init; } = [];

    /// <summary>In the twins of the modules that it targets.</summary>
    public IReadOnlyList<TwinSetting> Module { get; private init; } = [];

    /// <summary>In the twins of modules, by name, of the devices that it targets.</summary>
    public IReadOnlyDictionary<ModuleId, IReadOnlyList<TwinSetting>> Modules { get; private init; } =
        new Dictionary<ModuleId, IReadOnlyList<TwinSetting>>();

    /// <summary>As it was written, JSON.</summary>
    public required string Json { get; init; }

    /// <summary>Whether it is for modules that a condition picks.</summary>
    public bool IsForModules => Module.Count > 0;

    /// <summary>Whether it sets nothing: a configuration that only counts.</summary>
    public bool IsEmpty => Device.Count == 0 && Module.Count == 0 && Modules.Count == 0;

    /// <summary>Reads and checks the <c>content</c> of a request; null or undefined is an empty one.</summary>
    public static Outcome<ConfigurationContent> Read(JsonElement content)
    {
        if (content.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null)
        {
            return new ConfigurationContent { Json = "{}" };
        }

        if (content.ValueKind is not JsonValueKind.Object)
        {
            return HubFailures.InvalidConfigurationContent;
        }

        if (!ReadSettings(content, "deviceContent"u8).TryGet(out var device, out var failure)
            || !ReadSettings(content, "moduleContent"u8).TryGet(out var module, out failure)
            || !ReadModules(content).TryGet(out var modules, out failure))
        {
            return failure;
        }

        return module.Count > 0 && (device.Count > 0 || modules.Count > 0)
            ? HubFailures.InvalidConfigurationContent.Saying("moduleContent stands alone: its condition picks modules, the others' devices.")
            : new ConfigurationContent { Device = device, Module = module, Modules = modules, Json = content.GetRawText() };
    }

    /// <summary>What it sets in a twin of an identity that it targets, or in one of its modules.</summary>
    public IReadOnlyList<TwinSetting> For(IdentityId target, IdentityId twin) =>
        target.IsModule ? Module
        : twin.Module is { } module ? Modules.GetValueOrDefault(module, [])
        : Device;

    private static Outcome<IReadOnlyList<TwinSetting>> ReadSettings(JsonElement content, ReadOnlySpan<byte> name) =>
        content.TryGetProperty(name, out var settings) && settings.ValueKind is not JsonValueKind.Null
            ? TwinSetting.ReadAll(settings)
            : Array.Empty<TwinSetting>();

    private static Outcome<Dictionary<ModuleId, IReadOnlyList<TwinSetting>>> ReadModules(JsonElement content)
    {
        var modules = new Dictionary<ModuleId, IReadOnlyList<TwinSetting>>();
        if (!content.TryGetProperty("modulesContent"u8, out var named) || named.ValueKind is JsonValueKind.Null)
        {
            return modules;
        }

        if (named.ValueKind is not JsonValueKind.Object)
        {
            return HubFailures.InvalidConfigurationContent;
        }

        foreach (var member in named.EnumerateObject())
        {
            if (!ModuleId.TryParse(member.Name, out var module))
            {
                return HubFailures.InvalidConfigurationContent.Saying("modulesContent names a module that cannot be.");
            }

            if (!TwinSetting.ReadAll(member.Value).TryGet(out var settings, out var failure))
            {
                return failure;
            }

            modules[module] = settings;
        }

        return modules;
    }
}
