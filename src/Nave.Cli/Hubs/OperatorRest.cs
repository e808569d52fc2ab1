using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using Nave.Hub.Hosting;

namespace Nave.Cli.Hubs;

/// <summary>The operator port of the local hub, with the credential of <c>DATA/operator.json</c>.</summary>
internal sealed class OperatorRest : IDisposable
{
    private readonly HttpClient _http;

    /// <exception cref="CommandFailedException">There is no running hub, or its credential cannot be read.</exception>
    public OperatorRest(string dataDirectory)
    {
        var hub = HubTarget.OfDataDirectory(dataDirectory);
        var credential = OperatorFile.Find(dataDirectory) ?? throw new CommandFailedException(
            $"{Path.Combine(Path.GetFullPath(dataDirectory), OperatorFile.FileName)} cannot be read. "
            + "Operator functions are for the owner of the data directory: run this as that user.");
        _http = new HttpClient(new SocketsHttpHandler { SslOptions = Trust.ClientOptions(hub.Host, credential.CaCertificate) })
        {
            BaseAddress = new Uri(credential.Url.TrimEnd('/') + "/"),
            Timeout = TimeSpan.FromSeconds(30),
        };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", credential.Token);
    }

    /// <summary>One call; the path is below <c>/$nave/v1/</c>.</summary>
    public async Task<JsonNode?> SendAsync(HttpMethod method, string path, JsonNode? body, CancellationToken stopping)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
        try
        {
            using var answer = await _http.SendAsync(request, stopping);
            var text = await answer.Content.ReadAsStringAsync(stopping);
            var json = text.Length > 0 ? JsonNode.Parse(text) : null;
            return answer.IsSuccessStatusCode ? json : throw new CommandFailedException(
                $"The hub refused {method} {path}: {(int)answer.StatusCode} {(string?)(json?["message"] ?? json?["Message"]) ?? answer.ReasonPhrase}");
        }
        catch (HttpRequestException e)
        {
            throw new CommandFailedException($"The operator port {_http.BaseAddress} cannot be reached: {e.Message}");
        }
        catch (JsonException)
        {
            throw new CommandFailedException($"The operator port answered {method} {path} with something that is not JSON.");
        }
    }

    /// <summary>Listens to server-sent events until stopped or the hub ends them.</summary>
    public async IAsyncEnumerable<(string Kind, JsonNode Body)> ListenAsync(string path, [EnumeratorCancellation] CancellationToken stopping)
    {
        using var answer = await OpenAsync(path, stopping);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(stopping));
        var kind = "";
        while (await ReadLineAsync(reader, stopping) is { } line)
        {
            if (line.StartsWith("event: ", StringComparison.Ordinal))
            {
                kind = line["event: ".Length..];
            }
            else if (line.StartsWith("data: ", StringComparison.Ordinal) && JsonNode.Parse(line["data: ".Length..]) is { } body)
            {
                yield return (kind, body);
            }
        }
    }

    private async Task<HttpResponseMessage> OpenAsync(string path, CancellationToken stopping)
    {
        try
        {
            var answer = await _http.GetAsync(path, HttpCompletionOption.ResponseHeadersRead, stopping);
            return answer.IsSuccessStatusCode ? answer : throw new CommandFailedException($"The hub refused {path}: {(int)answer.StatusCode}");
        }
        catch (HttpRequestException e)
        {
            throw new CommandFailedException($"The operator port {_http.BaseAddress} cannot be reached: {e.Message}");
        }
    }

    private static async Task<string?> ReadLineAsync(StreamReader reader, CancellationToken stopping)
    {
        try
        {
            return await reader.ReadLineAsync(stopping);
        }
        catch (IOException)
        {
            return null; // The hub has gone.
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();
}
