using System.Text.Json.Nodes;
using Nave.Cli.Hubs;
using Nave.Tokens;

namespace Nave.Cli.Tokens;

/// <summary>
/// Finds the hub and the policy of a token service and makes sure that the policy has DeviceConnect alone: a hub on this
/// machine is asked on its operator port, any other needs the operator's word; both are probed.
/// </summary>
internal static class TokenHub
{
    private const string DefaultHubData = "nave-data";

    /// <summary>The verified policy.</summary>
    /// <exception cref="CommandFailedException">There is none, it has other rights, or nothing can be found out.</exception>
    public static async Task<HubPolicy> FindAsync(TokenRunOptions options, TimeProvider time, CancellationToken stopping)
    {
        if (options is { HubConnectionString: not null, HubDataDirectory: not null })
        {
            throw new CommandFailedException("Hub:ConnectionString and Hub:DataDirectory name two hubs: set one.", isUsage: true);
        }

        var (policy, caFile) = options.HubConnectionString is { } text ? OfConnectionString(options, text) : await OfLocalAsync(options, stopping);
        using var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            SslOptions = Trust.ClientOptions(policy.Host, caFile),
        };
        return await PolicyVerification.ProbeAsync(policy, handler, time, stopping) is { } problem ? throw new CommandFailedException(problem) : policy;
    }

    private static (HubPolicy Policy, string? CaFile) OfConnectionString(TokenRunOptions options, string text)
    {
        if (!HubPolicy.TryParse(text, 443, out var policy, out var problem))
        {
            throw new CommandFailedException($"Hub:ConnectionString: {problem}", isUsage: true);
        }

        return options.HubPolicyHasOnlyDeviceConnect ? (policy, options.HubCaFile) : throw new CommandFailedException(
            $"That hub cannot be asked which rights the {policy} has. Look there that it has DeviceConnect and nothing more, then say so: "
            + "--policy-has-only-device-connect, or Hub:PolicyHasOnlyDeviceConnect: true. The service probes it all the same.",
            isUsage: true);
    }

    private static async Task<(HubPolicy Policy, string? CaFile)> OfLocalAsync(TokenRunOptions options, CancellationToken stopping)
    {
        var data = options.HubDataDirectory ?? DefaultHubData;
        var hub = HubTarget.OfDataDirectory(data);
        using var rest = new OperatorRest(data);
        var list = await rest.SendAsync(HttpMethod.Get, "policies", null, stopping) as JsonArray ?? [];
        var entry = list.FirstOrDefault(policy => options.HubPolicy.Equals((string?)policy?["name"], StringComparison.OrdinalIgnoreCase))
            ?? throw new CommandFailedException(
                $"The hub of {Path.GetFullPath(data)} has no policy '{options.HubPolicy}'. Make one: nave policy create {options.HubPolicy} --rights DeviceConnect");
        if (!HubPolicy.TryParse((string?)entry["connectionString"], hub.HttpsPort, out var policy, out var problem))
        {
            throw new CommandFailedException(problem);
        }

        return PolicyVerification.ProblemOf(policy, (string?)entry["rights"]) is { } wrong
            ? throw new CommandFailedException(wrong)
            : (policy, options.HubCaFile ?? hub.CaCertificate);
    }
}
