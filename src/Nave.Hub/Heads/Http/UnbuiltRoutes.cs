using Microsoft.AspNetCore.Http;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Http;

/// <summary>
/// Documented routes that this version does not serve: 501 with a JSON <c>errorCode</c>, never silence, and never a 200
/// that does something else (design.md 4). Whoever builds one takes its line away here.
/// </summary>
internal static class UnbuiltRoutes
{
    private static readonly (string Verb, string Pattern, AccessRights Right)[] Service =
    [
        (HttpMethods.Post, "/jobs/create", AccessRights.RegistryWrite),
        (HttpMethods.Get, "/jobs", AccessRights.RegistryRead),
        (HttpMethods.Get, "/jobs/{jobId}", AccessRights.RegistryRead),
        (HttpMethods.Delete, "/jobs/{jobId}", AccessRights.RegistryWrite),
    ];

    // Devices' own routes (spec/device-http.md): the refusal is the same for everybody and says nothing of any device.
    private static readonly (string Verb, string Pattern)[] Device =
    [
        (HttpMethods.Get, "/devices/{id}/files/{**path}"),
        (HttpMethods.Post, "/devices/{id}/files"),
        (HttpMethods.Post, "/devices/{id}/files/notifications"),
        (HttpMethods.Post, "/devices/{id}/files/notifications/{correlationId}"),
    ];

    public static void Map(ServiceRoutes routes)
    {
        foreach (var (verb, pattern, right) in Service)
        {
            routes.Map(verb, pattern, right, RefuseAsync);
        }

        foreach (var (verb, pattern) in Device)
        {
            routes.MapOpen(verb, pattern, HubFailures.NotImplemented);
        }

        // Anything else: .NET's legacy /$admin/ calls among them, which expect a 404.
        routes.MapRest(HubFailures.AddressNotFound);
    }

    private static ValueTask<ServiceAnswer> RefuseAsync(ServiceCall call) => ValueTask.FromResult<ServiceAnswer>(HubFailures.NotImplemented);
}
