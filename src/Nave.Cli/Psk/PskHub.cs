using System.Text.Json.Nodes;
using Nave.Cli.Hubs;
using Nave.Protocol.Access;
using Nave.PskGateway;

namespace Nave.Cli.Psk;

/// <summary>Finds the hub and the policy of a PSK gateway. A hub on this machine is asked which rights the policy has.</summary>
internal static class PskHub
{
    private const string DefaultHubData = "nave-data";
    private const string OnlyRight = "DeviceConnect";

    /// <summary>The hub.</summary>
    /// <exception cref="CommandFailedException">There is none, or the policy has other rights.</exception>
    public static async Task<PskHubOptions> FindAsync(PskRunOptions options, CancellationToken stopping)
    {
        if (options is { HubConnectionString: not null, HubDataDirectory: not null })
        {
            throw new CommandFailedException("Hub:ConnectionString and Hub:DataDirectory name two hubs: set one.", isUsage: true);
        }

        if (options.HubConnectionString is { } text)
        {
            return ConnectionString.TryParse(text, out var connection, out var problem)
                ? new PskHubOptions(connection.Host, text, CaFile: options.HubCaFile)
                : throw new CommandFailedException($"Hub:ConnectionString: {problem}", isUsage: true);
        }

        var data = options.HubDataDirectory ?? DefaultHubData;
        var hub = HubTarget.OfDataDirectory(data);
        using var rest = new OperatorRest(data);
        var list = await rest.SendAsync(HttpMethod.Get, "policies", null, stopping) as JsonArray ?? [];
        var entry = list.FirstOrDefault(policy => options.HubPolicy.Equals((string?)policy?["name"], StringComparison.OrdinalIgnoreCase))
            ?? throw new CommandFailedException(
                $"The hub of {Path.GetFullPath(data)} has no policy '{options.HubPolicy}'. Make one: nave policy create {options.HubPolicy} --rights {OnlyRight}");
        return (string?)entry["rights"] is OnlyRight && (string?)entry["connectionString"] is { } policy
            ? new PskHubOptions(hub.Host, policy, hub.AmqpsPort, options.HubCaFile ?? hub.CaCertificate)
            : throw new CommandFailedException(
                $"The policy '{options.HubPolicy}' has the rights {entry["rights"]}: the gateway stands where strangers come, and takes one with {OnlyRight} and nothing more. "
                + $"Make one: nave policy create psk --rights {OnlyRight}, and say --policy psk");
    }
}
