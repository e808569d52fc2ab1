using Microsoft.AspNetCore.Http;
using Nave.Hub.Devices;
using Nave.Hub.Quotas;
using Nave.Protocol;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Http;

/// <summary>Many identities in one request (spec/service-rest.md 4.4), and how many there are (4.5).</summary>
internal sealed class BulkEndpoints(DeviceRegistry registry, Presence presence, IDeviceDirectory directory, HubMeter meter)
{
    // A hundred devices with twins of 40 KB.
    private const int MaxBodyBytes = 4 * 1024 * 1024;

    public void Map(ServiceRoutes routes)
    {
        routes.Map(HttpMethods.Post, "/devices", AccessRights.RegistryWrite, Metered.RegistryOperations, PostAsync);
        routes.Map(HttpMethods.Get, "/statistics/devices", AccessRights.RegistryRead, CountDevicesAsync);
        routes.Map(HttpMethods.Get, "/statistics/service", AccessRights.ServiceConnect, CountConnectedAsync);
    }

    private async ValueTask<ServiceAnswer> PostAsync(ServiceCall call)
    {
        if (!(await call.ReadAsync(ServiceJson.Default.BulkRequestItemArray, MaxBodyBytes)).TryGet(out var items, out var failure))
        {
            return failure;
        }

        switch (items.Length)
        {
            case 0:
                return HubFailures.ArgumentInvalid.Saying("The request names no device.");
            case > HubLimits.MaxBulkDevices:
                return HubFailures.TooManyDevices.Saying($"A request names {HubLimits.MaxBulkDevices} devices at most.");
        }

        var changes = new List<BulkChange>(items.Length);
        var errors = new List<BulkErrorDocument>();
        foreach (var item in items)
        {
            if (item is null || !item.TryReadIdentity(out var id))
            {
                errors.Add(Describe(item?.Id, item?.ModuleId, HubFailures.ArgumentInvalid));
            }
            else if (item.ToChange(id).TryGet(out var change, out failure))
            {
                changes.Add(change);
            }
            else
            {
                errors.Add(Describe(item.Id, item.ModuleId, failure));
            }
        }

        var applied = await registry.ApplyAsync(changes, call.Stopping);
        errors.AddRange(applied.Errors.Concat(await ChangeTwinsAsync(applied.Twins, call.Stopping))
            .Select(error => Describe(error.Id.Device.Value, error.Id.Module?.Value, error.Failure)));

        // Some applied: 200, so that clients which look into bodies of 200 only see the errors. Tests read the body.
        var isAnyApplied = errors.Select(error => (error.DeviceId, error.ModuleId)).Distinct().Count()
            < items.Select(item => (item?.Id, item?.ModuleId)).Distinct().Count();
        return ServiceAnswer.Json(
            new BulkResultDocument(errors.Count == 0, errors, []),
            ServiceJson.Default.BulkResultDocument,
            isAnyApplied ? StatusCodes.Status200OK : StatusCodes.Status400BadRequest);
    }

    // Side by side: they share a commit. Each is a twin update like any other.
    private async Task<IEnumerable<BulkError>> ChangeTwinsAsync(IReadOnlyList<BulkTwin> changes, CancellationToken stopping)
    {
        var outcomes = await Task.WhenAll(changes.Select(async change => (change.Id, Failure: await ChangeTwinAsync(change, stopping))));
        return from outcome in outcomes where outcome.Failure is not null select new BulkError(outcome.Id, outcome.Failure);
    }

    private async Task<HubFailure?> ChangeTwinAsync(BulkTwin change, CancellationToken stopping)
    {
        if (await meter.PassAsync(Metered.TwinUpdates, change.Id, stopping) is { } throttled)
        {
            return throttled;
        }

        var failure = (await directory.Of(change.Id).ChangeTwinAsync(change.Update, change.Condition)).Failure;
        if (failure is null)
        {
            meter.Charge(Metered.TwinUpdates, change.Update.Bytes);
        }

        return failure;
    }

    private async ValueTask<ServiceAnswer> CountDevicesAsync(ServiceCall call)
    {
        var counts = await registry.CountAsync(call.Stopping);
        return ServiceAnswer.Json(
            new DeviceStatisticsDocument(counts.Devices, counts.EnabledDevices, counts.Devices - counts.EnabledDevices),
            ServiceJson.Default.DeviceStatisticsDocument);
    }

    private ValueTask<ServiceAnswer> CountConnectedAsync(ServiceCall call) => ValueTask.FromResult(
        ServiceAnswer.Json(new ServiceStatisticsDocument(presence.ConnectedDevices), ServiceJson.Default.ServiceStatisticsDocument));

    private static BulkErrorDocument Describe(string? device, string? module, HubFailure failure) =>
        new(device, module, (int)failure.Code, failure.Code.ToString());
}
