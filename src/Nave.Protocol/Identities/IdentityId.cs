namespace Nave.Protocol.Identities;

/// <summary>Names one identity of the registry: a device, or a module of a device.</summary>
public readonly record struct IdentityId(DeviceId Device, ModuleId? Module = null)
{
    /// <summary>Whether this names a module.</summary>
    public bool IsModule => Module is not null;

    /// <summary><c>{deviceId}</c> or <c>{deviceId}/{moduleId}</c>, as MQTT client ids are written.</summary>
    public override string ToString() => Module is { } module ? $"{Device.Value}/{module.Value}" : Device.Value;

    /// <summary>The path that tokens are scoped to: <c>/devices/{id}[/modules/{mid}]</c>, nothing encoded.</summary>
    public string ToPath() =>
        Module is { } module ? $"/devices/{Device.Value}/modules/{module.Value}" : $"/devices/{Device.Value}";
}
