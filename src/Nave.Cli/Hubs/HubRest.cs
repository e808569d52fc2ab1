using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Authentication;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Nave.Protocol.Access;
using Nave.Protocol.Identities;

namespace Nave.Cli.Hubs;

/// <summary>The hub's service API over HTTPS, as any back end speaks it.</summary>
internal sealed class HubRest : IDisposable
{
    private const string ApiVersion = "2021-04-12";
    private static readonly TimeSpan TokenLife = TimeSpan.FromMinutes(10);

    private readonly HubTarget _hub;
    private readonly TimeProvider _time;
    private readonly HttpClient _http;

    /// <param name="hub">Which hub.</param>
    /// <param name="time">For tokens.</param>
    /// <param name="timeout">How long an answer may take; 30 seconds if left out.</param>
    public HubRest(HubTarget hub, TimeProvider time, TimeSpan? timeout = null)
    {
        _hub = hub;
        _time = time;
        _http = new HttpClient(new SocketsHttpHandler { SslOptions = Trust.ClientOptions(hub.Host, hub.CaCertificate) })
        {
            BaseAddress = new UriBuilder("https", hub.Host, hub.HttpsPort).Uri,
            Timeout = timeout ?? TimeSpan.FromSeconds(30),
        };
    }

    /// <summary>The path of a device or module identity.</summary>
    public static string PathOf(string deviceId, string? moduleId = null) =>
        $"/devices/{Uri.EscapeDataString(deviceId)}" + (moduleId is null ? "" : $"/modules/{Uri.EscapeDataString(moduleId)}");

    /// <summary>The path of a twin.</summary>
    public static string TwinPathOf(IdentityId id) =>
        $"/twins/{Uri.EscapeDataString(id.Device.Value)}" + (id.Module is { } module ? $"/modules/{Uri.EscapeDataString(module.Value)}" : "");

    /// <summary>Reads JSON.</summary>
    public Task<JsonNode?> GetAsync(string path, CancellationToken stopping) => SendAsync(HttpMethod.Get, path, null, null, stopping);

    /// <summary>Creates (no version given) or replaces.</summary>
    public Task<JsonNode?> PutAsync(string path, JsonNode body, string? ifMatch, CancellationToken stopping) =>
        SendAsync(HttpMethod.Put, path, body, ifMatch, stopping);

    /// <summary>Merges a patch.</summary>
    public Task<JsonNode?> PatchAsync(string path, JsonNode body, string? ifMatch, CancellationToken stopping) =>
        SendAsync(HttpMethod.Patch, path, body, ifMatch, stopping);

    /// <summary>Asks for something to be done.</summary>
    public Task<JsonNode?> PostAsync(string path, JsonNode body, CancellationToken stopping) =>
        SendAsync(HttpMethod.Post, path, body, null, stopping);

    /// <summary>One page of a query's rows.</summary>
    public async Task<QueryRows> QueryAsync(string query, int pageSize, string? continuation, CancellationToken stopping)
    {
        var headers = new List<(string Name, string Value)> { ("x-ms-max-item-count", pageSize.ToString(System.Globalization.CultureInfo.InvariantCulture)) };
        if (continuation is not null)
        {
            headers.Add(("x-ms-continuation", continuation));
        }

        HttpResponseHeaders? answered = null;
        var rows = await SendAsync(
            HttpMethod.Post, "/devices/query", new JsonObject { ["query"] = query }, null, stopping, headers, answer => answered = answer.Headers);
        return new QueryRows(
            [.. (rows as JsonArray ?? []).OfType<JsonNode>()], HeaderOf("x-ms-item-type") ?? "", HeaderOf("x-ms-continuation"));

        string? HeaderOf(string name) => answered!.TryGetValues(name, out var values) ? values.FirstOrDefault() : null;
    }

    /// <summary>Deletes whatever the version.</summary>
    public Task<JsonNode?> DeleteAsync(string path, CancellationToken stopping) => SendAsync(HttpMethod.Delete, path, null, "*", stopping);

    /// <summary>Status and text of an open page.</summary>
    public async Task<(int Status, string Text)> GetTextAsync(string path, CancellationToken stopping)
    {
        try
        {
            using var answer = await _http.GetAsync(path, stopping);
            return ((int)answer.StatusCode, (await answer.Content.ReadAsStringAsync(stopping)).Trim());
        }
        catch (HttpRequestException e)
        {
            throw Unreachable(e);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private async Task<JsonNode?> SendAsync(
        HttpMethod method, string path, JsonNode? body, string? ifMatch, CancellationToken stopping,
        IReadOnlyList<(string Name, string Value)>? headers = null, Action<HttpResponseMessage>? observe = null)
    {
        using var request = new HttpRequestMessage(method, path + (path.Contains('?') ? '&' : '?') + "api-version=" + ApiVersion);
        request.Headers.TryAddWithoutValidation("Authorization", Authorization());
        foreach (var (name, value) in headers ?? [])
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        if (ifMatch is not null)
        {
            request.Headers.IfMatch.Add(ifMatch == "*" ? EntityTagHeaderValue.Any : new EntityTagHeaderValue($"\"{ifMatch}\""));
        }

        if (body is not null)
        {
            request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        }

        try
        {
            using var answer = await _http.SendAsync(request, stopping);
            if (!answer.IsSuccessStatusCode)
            {
                throw new CommandFailedException($"{_hub.Host} refused {method} {path}: {(int)answer.StatusCode} {await ReasonAsync(answer, stopping)}");
            }

            observe?.Invoke(answer);
            return answer.Content.Headers.ContentLength is 0 || answer.StatusCode is System.Net.HttpStatusCode.NoContent
                ? null
                : await answer.Content.ReadFromJsonAsync<JsonNode>(stopping);
        }
        catch (HttpRequestException e)
        {
            throw Unreachable(e);
        }
        catch (JsonException)
        {
            throw new CommandFailedException($"{_hub.Host} answered {method} {path} with something that is not JSON. Is it a hub?");
        }
        catch (TaskCanceledException) when (!stopping.IsCancellationRequested)
        {
            throw new CommandFailedException($"{_hub.Host} did not answer {method} {path} within {_http.Timeout.TotalSeconds:F0} s.");
        }
    }

    private string Authorization()
    {
        var service = _hub.Service;
        return service.SharedAccessSignature
            ?? (service is { SharedAccessKey: { } key, SharedAccessKeyName: { } policy }
                ? SasToken.Mint(service.Host, key, _time.GetUtcNow() + TokenLife, policy)
                : throw new CommandFailedException(
                    "This needs the connection string of a policy (HostName=…;SharedAccessKeyName=…;SharedAccessKey=…), not that of a device.", isUsage: true));
    }

    /// <summary>What a refusal says.</summary>
    public static async Task<string> ReasonAsync(HttpResponseMessage answer, CancellationToken stopping)
    {
        var text = await answer.Content.ReadAsStringAsync(stopping);
        try
        {
            var json = JsonNode.Parse(text);
            var message = (string?)(json?["message"] ?? json?["Message"]) ?? text;

            // Of direct methods: JSON in a string (spec/service-rest.md 3.1).
            return message.StartsWith('{') && JsonNode.Parse(message) is JsonObject inner && inner["message"] is { } inside
                ? $"{inner["errorCode"]} {inside}"
                : message;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return text.Length > 0 ? text : answer.ReasonPhrase ?? "";
        }
    }

    private CommandFailedException Unreachable(HttpRequestException e) => new(
        e.InnerException is AuthenticationException
            ? $"The certificate of {_hub.Host}:{_hub.HttpsPort} is not trusted: {e.InnerException.Message} "
                + (_hub.CaCertificate is null ? "Name its authority with --ca-file." : $"The authority trusted is {_hub.CaCertificate}.")
            : $"{_hub.Host}:{_hub.HttpsPort} cannot be reached: {e.Message}. Is the hub running, and the name right?");
}

/// <summary>Some rows of a query's result.</summary>
internal sealed record QueryRows(IReadOnlyList<JsonNode> Rows, string ItemType, string? Continuation);
