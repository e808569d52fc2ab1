using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Nave.Hub.Devices;
using Nave.Hub.Quotas;
using Nave.Hub.Twins;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Configurations;

/// <summary>
/// Writes content into the twins of one device and its modules, once (spec/service-rest.md 10, applyConfigurationContent):
/// no configuration, nothing to take back. One request at a time for a device.
/// </summary>
internal sealed class ContentApplier(DeviceRegistry registry, TwinStore twins, IDeviceDirectory directory, HubMeter meter)
{
    // A twin that changes as fast as it is read.
    private const int Attempts = 5;

    private readonly ConcurrentDictionary<DeviceId, byte> _underWay = new();

    /// <summary>Null when all is written; else why not: then some twins may have been.</summary>
    public async Task<HubFailure?> ApplyAsync(DeviceId device, ConfigurationContent content, CancellationToken stopping)
    {
        if (content.IsForModules)
        {
            return HubFailures.InvalidConfigurationContent.Saying("Content for one device names its modules in modulesContent.");
        }

        if (!_underWay.TryAdd(device, 0))
        {
            return HubFailures.ApplyAlreadyInProgress;
        }

        try
        {
            return await CheckAsync(device, content, stopping) ?? await WriteAllAsync(device, content, stopping);
        }
        finally
        {
            _underWay.TryRemove(device, out _);
        }
    }

    // Nothing is written before everybody is there.
    private async Task<HubFailure?> CheckAsync(DeviceId device, ConfigurationContent content, CancellationToken stopping)
    {
        if (await registry.FindAsync(new IdentityId(device), stopping) is null)
        {
            return HubFailures.DeviceNotFound;
        }

        foreach (var module in content.Modules.Keys)
        {
            if (await registry.FindAsync(new IdentityId(device, module), stopping) is null)
            {
                return HubFailures.ModuleNotFound;
            }
        }

        return null;
    }

    private async Task<HubFailure?> WriteAllAsync(DeviceId device, ConfigurationContent content, CancellationToken stopping)
    {
        var target = new IdentityId(device);
        foreach (var twin in content.Modules.Keys.Select(module => new IdentityId(device, module)).Prepend(target))
        {
            if (content.For(target, twin) is { Count: > 0 } settings && await WriteAsync(twin, settings, stopping) is { } failure)
            {
                return failure;
            }
        }

        return null;
    }

    private async Task<HubFailure?> WriteAsync(IdentityId id, IReadOnlyList<TwinSetting> all, CancellationToken stopping)
    {
        var settings = new DesiredSettings();
        foreach (var setting in all)
        {
            settings.Set(setting);
        }

        HubFailure? failure = null;
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            if (!(await twins.GetAsync(id, stopping)).TryGet(out var twin, out failure))
            {
                return failure;
            }

            if (settings.Patch(JsonNode.Parse(twin.Twin.Desired)!.AsObject()) is not { } patch)
            {
                return null;
            }

            var change = new TwinChange(id, twin.Twin.ETag, patch, Summary: null);
            failure = (await directory.Of(id).ChangeTwinAsync(change.ToUpdate(), ETagCondition.Exactly(change.ETag))).Failure;
            if (failure?.Code is not HubErrorCode.PreconditionFailed)
            {
                meter.Charge(Metered.ConfigurationOperations, change.Bytes);
                return failure;
            }
        }

        return failure;
    }
}
