using System.Net;
using Nave.Protocol.Access;

namespace Nave.Tokens;

/// <summary>
/// Makes sure that the policy has DeviceConnect and nothing more, before a token is signed with it: whoever takes the
/// service over then has no hub. A hub of ours is asked what rights the policy has; any hub is asked for a device's record
/// and a twin with the policy's key, which it must refuse.
/// </summary>
public static class PolicyVerification
{
    private const string Version = "api-version=2021-04-12";

    // No device needs to have this id: access is judged first.
    private const string Probe = "nave-tokens-probe";

    private static readonly TimeSpan ProbeLife = TimeSpan.FromMinutes(5);

    /// <summary>What is wrong with rights that the operator's side of a hub reported; null when they are DeviceConnect alone.</summary>
    public static string? ProblemOf(HubPolicy policy, string? rights) =>
        rights is null ? $"The hub knows no policy '{policy.Name}'."
        : !AccessRightsText.TryParse(rights, out var parsed) ? $"The hub says of the {policy} that it has '{rights}', which is not understood."
        : parsed == AccessRights.DeviceConnect ? null
        : $"The {policy} has {AccessRightsText.Format(parsed)}; a token service needs a policy with DeviceConnect and nothing more "
            + "(nave policy create NAME --rights DeviceConnect).";

    /// <summary>Tries with the policy's key what it must not be able to do; null when all of it is refused.</summary>
    public static async Task<string?> ProbeAsync(HubPolicy policy, HttpMessageHandler handler, TimeProvider time, CancellationToken stopping)
    {
        using var http = new HttpClient(handler, disposeHandler: false) { Timeout = TimeSpan.FromSeconds(15) };
        foreach (var (path, right) in new[] { ($"devices/{Probe}", "RegistryRead"), ($"twins/{Probe}", "ServiceConnect") })
        {
            if (await ProbeAsync(http, policy, path, right, time, stopping) is { } problem)
            {
                return problem;
            }
        }

        return null;
    }

    private static async Task<string?> ProbeAsync(
        HttpClient http, HubPolicy policy, string path, string right, TimeProvider time, CancellationToken stopping)
    {
        var uri = new UriBuilder("https", policy.Host, policy.HttpsPort, path, "?" + Version).Uri;
        using var request = new HttpRequestMessage(HttpMethod.Get, uri);
        request.Headers.TryAddWithoutValidation(
            "Authorization", SasToken.Mint(policy.Host, policy.Key, time.GetUtcNow() + ProbeLife, policy.Name));
        try
        {
            using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, stopping);
            return answer.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden ? null
                : answer.StatusCode is HttpStatusCode.OK or HttpStatusCode.NotFound
                    ? $"The {policy} has {right}: GET /{path} was not refused. A token service needs a policy with DeviceConnect and nothing more."
                    : $"The rights of the {policy} cannot be verified: the hub answered GET /{path} with {(int)answer.StatusCode}.";
        }
        catch (HttpRequestException e)
        {
            return $"The rights of the {policy} cannot be verified: {uri.Authority} cannot be asked ({(e.InnerException ?? e).Message}).";
        }
        catch (TaskCanceledException) when (!stopping.IsCancellationRequested)
        {
            return $"The rights of the {policy} cannot be verified: {uri.Authority} did not answer in time.";
        }
    }
}
