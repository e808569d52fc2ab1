using Microsoft.AspNetCore.Http;
using Nave.Hub.Devices;
using Nave.Hub.Quotas;
using Nave.Hub.Twins;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Http;

/// <summary>Twins of devices and modules over REST (spec/service-rest.md 6). Changes go through the identity's actor.</summary>
internal sealed class TwinEndpoints(TwinStore twins, IDeviceDirectory directory)
{
    // Tags and desired properties at their limits, with the metadata that back ends send back.
    private const int MaxBodyBytes = 512 * 1024;

    public void Map(ServiceRoutes routes)
    {
        foreach (var twin in new[] { "/twins/{id}", "/twins/{id}/modules/{moduleId}" })
        {
            routes.Map(HttpMethods.Get, twin, AccessRights.ServiceConnect, Metered.TwinReads, GetAsync);
            routes.Map(HttpMethods.Patch, twin, AccessRights.ServiceConnect, Metered.TwinUpdates, call => ChangeAsync(call, isReplace: false));
            routes.Map(HttpMethods.Put, twin, AccessRights.ServiceConnect, Metered.TwinUpdates, call => ChangeAsync(call, isReplace: true));
        }
    }

    private async ValueTask<ServiceAnswer> GetAsync(ServiceCall call) =>
        !call.TryReadIdentity(out var id, out var failure) ? failure
        : (await twins.GetAsync(id, call.Stopping)).TryGet(out var twin, out failure) ? Describe(twin)
        : failure;

    private async ValueTask<ServiceAnswer> ChangeAsync(ServiceCall call, bool isReplace)
    {
        if (!call.TryReadIdentity(out var id, out var failure)
            || !(await call.ReadBytesAsync(MaxBodyBytes)).TryGet(out var body, out failure)
            || !Read(body, isReplace).TryGet(out var update, out failure))
        {
            return failure;
        }

        var outcome = await directory.Of(id).ChangeTwinAsync(update, call.IfMatch ?? ETagCondition.Any);
        return outcome.TryGet(out var changed, out failure) ? Describe(changed.Document!) : failure; // The actor brings it.
    }

    private static Outcome<TwinUpdate> Read(byte[] body, bool isReplace)
    {
        if (!TwinRules.Parse(body).TryGet(out var document, out _))
        {
            return HubFailures.FormatError;
        }

        using (document)
        {
            return TwinUpdate.Read(document.RootElement, isReplace);
        }
    }

    private static ServiceAnswer Describe(TwinDocument twin) => ServiceAnswer.WrittenJson(TwinJson.Write(twin), etag: twin.Twin.ETag);
}
