using System.Globalization;
using Microsoft.AspNetCore.Http;
using Nave.Hub.Commands;
using Nave.Hub.Devices;
using Nave.Hub.Quotas;
using Nave.Protocol;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Heads.Http;

/// <summary>Devices and modules over REST (spec/service-rest.md 4 and 5): path, headers and body to the registry, and back.</summary>
internal sealed class DeviceEndpoints(DeviceRegistry registry, Presence presence, CommandSender commands)
{
    // A device's JSON is about 1 KB; four keys and thumbprints and a status reason leave it far below this.
    private const int MaxBodyBytes = 64 * 1024;

    public void Map(ServiceRoutes routes)
    {
        routes.Map(HttpMethods.Get, "/devices", AccessRights.RegistryRead, Metered.RegistryOperations, ListAsync);
        routes.Map(HttpMethods.Get, "/devices/{id}", AccessRights.RegistryRead, Metered.RegistryOperations, GetAsync);
        routes.Map(HttpMethods.Put, "/devices/{id}", AccessRights.RegistryWrite, Metered.RegistryOperations, PutAsync);
        routes.Map(HttpMethods.Delete, "/devices/{id}", AccessRights.RegistryWrite, Metered.RegistryOperations, DeleteAsync);
        routes.Map(HttpMethods.Get, "/devices/{id}/modules", AccessRights.RegistryRead, Metered.RegistryOperations, ListModulesAsync);
        routes.Map(HttpMethods.Get, "/devices/{id}/modules/{moduleId}", AccessRights.RegistryRead, Metered.RegistryOperations, GetAsync);
        routes.Map(HttpMethods.Put, "/devices/{id}/modules/{moduleId}", AccessRights.RegistryWrite, Metered.RegistryOperations, PutAsync);
        routes.Map(HttpMethods.Delete, "/devices/{id}/modules/{moduleId}", AccessRights.RegistryWrite, Metered.RegistryOperations, DeleteAsync);
    }

    private async ValueTask<ServiceAnswer> ListAsync(ServiceCall call)
    {
        // spec/service-rest.md 2: 1 to 1000, anything else is 1000.
        var top = int.TryParse(call.Query("top"), NumberStyles.None, CultureInfo.InvariantCulture, out var asked)
            && asked is > 0 and < HubLimits.MaxListedDevices ? asked : HubLimits.MaxListedDevices;
        var devices = await registry.ListAsync(top, call.Stopping);
        if (devices.Count == 0)
        {
            return ServiceAnswer.Json([], ServiceJson.Default.DeviceDocumentArray);
        }

        var (first, last) = (devices[0].Id.Device, devices[^1].Id.Device);
        var states = await presence.ListAsync(first, last, call.Stopping);
        var queued = await commands.ListCountsAsync(first, last, call.Stopping);
        return ServiceAnswer.Json(
            [.. devices.Select(device => DeviceDocument.Of(device, states.GetValueOrDefault(device.Id), queued.GetValueOrDefault(device.Id)))],
            ServiceJson.Default.DeviceDocumentArray);
    }

    private async ValueTask<ServiceAnswer> ListModulesAsync(ServiceCall call)
    {
        if (!call.TryReadIdentity(out var id, out var failure))
        {
            return failure;
        }

        if (!(await registry.ListModulesAsync(id.Device, call.Stopping)).TryGet(out var modules, out failure))
        {
            return failure;
        }

        var states = await presence.ListAsync(id.Device, id.Device, call.Stopping);
        var queued = await commands.ListCountsAsync(id.Device, id.Device, call.Stopping);
        return ServiceAnswer.Json(
            [.. modules.Select(module => ModuleDocument.Of(module, states.GetValueOrDefault(module.Id), queued.GetValueOrDefault(module.Id)))],
            ServiceJson.Default.ModuleDocumentArray);
    }

    private async ValueTask<ServiceAnswer> GetAsync(ServiceCall call)
    {
        if (!call.TryReadIdentity(out var id, out var failure))
        {
            return failure;
        }

        if (await registry.FindAsync(id, call.Stopping) is { } identity)
        {
            return await DescribeAsync(identity, StatusCodes.Status200OK, call.Stopping);
        }

        return id.IsModule && await registry.FindAsync(new IdentityId(id.Device), call.Stopping) is not null
            ? HubFailures.ModuleNotFound
            : HubFailures.DeviceNotFound;
    }

    private async ValueTask<ServiceAnswer> PutAsync(ServiceCall call)
    {
        if (!call.TryReadIdentity(out var id, out var failure))
        {
            return failure;
        }

        if (!(await call.ReadAsync(ServiceJson.Default.IdentityRequest, MaxBodyBytes)).TryGet(out var body, out failure)
            || !body.ToDraft(id).TryGet(out var draft, out failure))
        {
            return failure;
        }

        // spec/service-rest.md 4.2: If-Match tells an update from a create.
        var condition = call.IfMatch;
        var outcome = condition is { } ifMatch
            ? await registry.UpdateAsync(draft, ifMatch, call.Stopping)
            : await registry.CreateAsync(draft, call.Stopping);
        if (!outcome.TryGet(out var identity, out failure))
        {
            return failure;
        }

        var status = id.IsModule && condition is null ? StatusCodes.Status201Created : StatusCodes.Status200OK;
        return await DescribeAsync(identity, status, call.Stopping);
    }

    private async ValueTask<ServiceAnswer> DeleteAsync(ServiceCall call)
    {
        if (!call.TryReadIdentity(out var id, out var failure))
        {
            return failure;
        }

        var outcome = await registry.DeleteAsync(id, call.IfMatch ?? ETagCondition.Any, call.Stopping);
        return outcome.Failure is { } refusal ? refusal : ServiceAnswer.NoContent;
    }

    private async ValueTask<ServiceAnswer> DescribeAsync(DeviceIdentity identity, int status, CancellationToken stopping)
    {
        var state = await presence.GetAsync(identity.Id, stopping);
        var queued = await commands.CountAsync(identity, stopping);
        return identity.Id.IsModule
            ? ServiceAnswer.Json(ModuleDocument.Of(identity, state, queued), ServiceJson.Default.ModuleDocument, status, identity.ETag)
            : ServiceAnswer.Json(DeviceDocument.Of(identity, state, queued), ServiceJson.Default.DeviceDocument, status, identity.ETag);
    }
}
