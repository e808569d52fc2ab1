using System.Net;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Nave.Hub.Access;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;

namespace Nave.Hub.Hosting;

/// <summary><c>/$nave/v1/policies</c>: shared access policies, their keys, rights and bounds.</summary>
internal sealed class PolicyEndpoints(PolicyRegistry policies, HubNames names)
{
    /// <summary>Maps them below the operator's root.</summary>
    public void Map(IEndpointRouteBuilder root)
    {
        root.MapGet("policies", ListAsync);
        root.MapGet("policies/{name}", GetAsync);
        root.MapPut("policies/{name}", CreateAsync);
        root.MapPatch("policies/{name}", ChangeAsync);
        root.MapPost("policies/{name}/roll", RollAsync);
        root.MapDelete("policies/{name}", DeleteAsync);
    }

    private Task ListAsync(HttpContext context) =>
        OperatorJson.AnswerAsync(context, new JsonArray([.. policies.All.Select(policy => (JsonNode)Describe(policy))]));

    private Task GetAsync(HttpContext context) =>
        policies.Find(OperatorJson.Name(context)) is { } policy
            ? OperatorJson.AnswerAsync(context, Describe(policy))
            : OperatorJson.RefuseAsync(context, NotFound(OperatorJson.Name(context)));

    private async Task CreateAsync(HttpContext context)
    {
        if (await OperatorJson.ReadAsync(context) is not { } body)
        {
            return;
        }

        AccessRights? rights = null;
        if (OperatorJson.Text(body, "rights") is { } text)
        {
            if (!AccessRightsText.TryParse(text, out var parsed))
            {
                await OperatorJson.RefuseAsync(context, UnknownRights(text));
                return;
            }

            rights = parsed;
        }

        if (!TryReadBounds(body, PolicyBounds.None, out var bounds, out var problem))
        {
            await OperatorJson.RefuseAsync(context, problem!);
            return;
        }

        var seed = new PolicySeed(
            OperatorJson.Name(context), rights, OperatorJson.Text(body, "primaryKey"), OperatorJson.Text(body, "secondaryKey"));
        await AnswerAsync(context, await policies.CreateAsync(seed, bounds, context.RequestAborted), StatusCodes.Status201Created);
    }

    private async Task ChangeAsync(HttpContext context)
    {
        if (await OperatorJson.ReadAsync(context) is not { } body)
        {
            return;
        }

        if (policies.Find(OperatorJson.Name(context)) is not { } policy)
        {
            await OperatorJson.RefuseAsync(context, NotFound(OperatorJson.Name(context)));
            return;
        }

        AccessRights? rights = null;
        if (OperatorJson.Text(body, "rights") is { } text)
        {
            if (!AccessRightsText.TryParse(text, out var parsed))
            {
                await OperatorJson.RefuseAsync(context, UnknownRights(text));
                return;
            }

            rights = parsed;
        }

        if (!TryReadBounds(body, new PolicyBounds(policy.DevicePattern, policy.Addresses), out var bounds, out var problem))
        {
            await OperatorJson.RefuseAsync(context, problem!);
            return;
        }

        await AnswerAsync(context, await policies.ChangeAsync(policy.Name, rights, bounds, context.RequestAborted));
    }

    private async Task RollAsync(HttpContext context)
    {
        if (await OperatorJson.ReadAsync(context) is not { } body)
        {
            return;
        }

        SasSigner? which = OperatorJson.Text(body, "key")?.ToLowerInvariant() switch
        {
            "primary" => SasSigner.Primary,
            "secondary" => SasSigner.Secondary,
            _ => null,
        };
        if (which is not { } key)
        {
            await OperatorJson.RefuseAsync(context, HubFailures.ArgumentInvalid.Saying("'key' must be primary or secondary."));
            return;
        }

        await AnswerAsync(context, await policies.RollAsync(OperatorJson.Name(context), key, OperatorJson.Text(body, "value"), context.RequestAborted));
    }

    private async Task DeleteAsync(HttpContext context)
    {
        var failure = await policies.DeleteAsync(OperatorJson.Name(context), context.RequestAborted);
        await (failure is null ? OperatorJson.DoneAsync(context) : OperatorJson.RefuseAsync(context, failure));
    }

    private Task AnswerAsync(HttpContext context, Outcome<SharedAccessPolicy> outcome, int status = StatusCodes.Status200OK) =>
        outcome.TryGet(out var policy, out var failure)
            ? OperatorJson.AnswerAsync(context, Describe(policy), status)
            : OperatorJson.RefuseAsync(context, failure);

    // A member that is absent leaves the bound as it is; null lifts it.
    private static bool TryReadBounds(JsonObject body, PolicyBounds before, out PolicyBounds bounds, out HubFailure? problem)
    {
        bounds = before;
        problem = null;
        if (body.ContainsKey("devicePattern"))
        {
            bounds = bounds with { DevicePattern = OperatorJson.Text(body, "devicePattern") };
        }

        if (!body.ContainsKey("addresses"))
        {
            return true;
        }

        var networks = new List<IPNetwork>();
        foreach (var text in OperatorJson.Texts(body, "addresses") ?? [])
        {
            if (!TryReadNetwork(text, out var network))
            {
                problem = HubFailures.ArgumentInvalid.Saying($"'{text}' is neither an IP address nor a network such as 10.0.0.0/8.");
                return false;
            }

            networks.Add(network);
        }

        bounds = bounds with { Addresses = networks };
        return true;
    }

    private static bool TryReadNetwork(string text, out IPNetwork network)
    {
        if (IPAddress.TryParse(text, out var address))
        {
            network = new IPNetwork(address, address.GetAddressBytes().Length * 8);
            return true;
        }

        return IPNetwork.TryParse(text, out network);
    }

    private JsonObject Describe(SharedAccessPolicy policy) => new()
    {
        ["name"] = policy.Name,
        ["rights"] = AccessRightsText.Format(policy.Rights),
        ["primaryKey"] = policy.PrimaryKey,
        ["secondaryKey"] = policy.SecondaryKey,
        ["devicePattern"] = policy.DevicePattern,
        ["addresses"] = new JsonArray([.. policy.Addresses.Select(network => (JsonNode)network.ToString())]),
        ["connectionString"] = new ConnectionString
        {
            HostName = names.Primary,
            SharedAccessKeyName = policy.Name,
            SharedAccessKey = policy.PrimaryKey,
        }.ToString(),
        ["createdAt"] = policy.CreatedAt,
        ["updatedAt"] = policy.UpdatedAt,
    };

    private static HubFailure NotFound(string name) => HubFailures.AddressNotFound.Saying($"There is no policy named '{name}'.");

    private static HubFailure UnknownRights(string text) => HubFailures.ArgumentInvalid.Saying(
        $"'{text}' are not rights; known are RegistryRead, RegistryWrite, ServiceConnect and DeviceConnect, separated by commas.");
}
