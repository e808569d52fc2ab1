using System.Net;
using System.Security.Authentication;
using Nave.Cli.Hubs;
using Nave.Protocol.Access;
using Nave.Protocol.Identities;

namespace Nave.Cli.CloudToDevice;

/// <summary>What a device does with a command that it holds.</summary>
internal enum CommandAnswer
{
    Complete,
    Abandon,
    Reject,
}

/// <summary>A device over HTTPS: sends events, receives and settles commands (spec/device-http.md). Any thread may call.</summary>
internal sealed class DeviceHttp(HttpClient http, HubTarget hub, IdentityId id, DeviceKey key, TimeProvider time)
{
    private const string ApiVersion = "2021-04-12";
    private static readonly TimeSpan TokenLife = TimeSpan.FromHours(1);
    private static readonly TimeSpan RenewBefore = TimeSpan.FromMinutes(5);

    private volatile Tuple<string, DateTimeOffset>? _token;

    private string Path { get; } =
        $"/devices/{Uri.EscapeDataString(id.Device.Value)}" + (id.Module is { } module ? $"/modules/{Uri.EscapeDataString(module.Value)}" : "") + "/messages/";

    /// <summary>A client of the hub's HTTPS port that many devices may share.</summary>
    public static HttpClient CreateClient(HubTarget hub) =>
        new(new SocketsHttpHandler { SslOptions = Trust.ClientOptions(hub.Host, hub.CaCertificate) })
        {
            BaseAddress = new UriBuilder("https", hub.Host, hub.HttpsPort).Uri,
            Timeout = TimeSpan.FromSeconds(30),
        };

    /// <summary>Sends an event; completed when it is durable.</summary>
    public async Task SendEventAsync(ReadOnlyMemory<byte> body, IEnumerable<KeyValuePair<string, string>> headers, CancellationToken stopping)
    {
        using var content = new ReadOnlyMemoryContent(body);
        using var answer = await SendAsync(HttpMethod.Post, "events", content, headers, stopping);
        await CheckAsync(answer, "send an event", stopping);
    }

    /// <summary>Takes and locks the oldest command; null when there is none.</summary>
    public async Task<ReceivedCommand?> ReceiveAsync(int lockSeconds, CancellationToken stopping)
    {
        using var answer = await SendAsync(HttpMethod.Get, $"devicebound?iothub-messagelocktimeout={lockSeconds}", null, [], stopping);
        await CheckAsync(answer, "receive commands", stopping);
        return answer.StatusCode is HttpStatusCode.NoContent
            ? null
            : ReceivedCommand.Of(answer.Headers, await answer.Content.ReadAsByteArrayAsync(stopping));
    }

    /// <summary>Settles a command that this device holds.</summary>
    public async Task SettleAsync(string lockToken, CommandAnswer what, CancellationToken stopping)
    {
        var path = $"devicebound/{Uri.EscapeDataString(lockToken)}";
        using var answer = await (what switch
        {
            CommandAnswer.Complete => SendAsync(HttpMethod.Delete, path, null, [], stopping),
            CommandAnswer.Reject => SendAsync(HttpMethod.Delete, path + "?reject=true", null, [], stopping),
            CommandAnswer.Abandon => SendAsync(HttpMethod.Post, path + "/abandon", null, [], stopping),
            _ => throw new ArgumentOutOfRangeException(nameof(what)),
        });
        await CheckAsync(answer, $"{what.ToString().ToLowerInvariant()} a command", stopping);
    }

    private async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, string path, HttpContent? content, IEnumerable<KeyValuePair<string, string>> headers, CancellationToken stopping)
    {
        using var request = new HttpRequestMessage(method, Path + path + (path.Contains('?') ? '&' : '?') + "api-version=" + ApiVersion) { Content = content };
        request.Headers.TryAddWithoutValidation("Authorization", Token());
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        try
        {
            return await http.SendAsync(request, stopping);
        }
        catch (HttpRequestException e)
        {
            throw new CommandFailedException(e.InnerException is AuthenticationException
                ? $"the certificate of {hub.Host}:{hub.HttpsPort} is not trusted: {e.InnerException.Message}"
                : $"{hub.Host}:{hub.HttpsPort} cannot be reached: {e.Message}");
        }
        catch (TaskCanceledException) when (!stopping.IsCancellationRequested)
        {
            throw new CommandFailedException($"{hub.Host} did not answer within {http.Timeout.TotalSeconds:F0} s");
        }
    }

    private async Task CheckAsync(HttpResponseMessage answer, string what, CancellationToken stopping)
    {
        if (answer.IsSuccessStatusCode)
        {
            return;
        }

        var reason = await HubRest.ReasonAsync(answer, stopping);
        throw new CommandFailedException(answer.StatusCode switch
        {
            HttpStatusCode.Unauthorized =>
                $"{hub.Host} does not let '{id}' {what}: it is unknown or disabled, or the credential is none of a device. "
                + "Acting as a device takes a policy with DeviceConnect (iothubowner, device) or the device's own connection string with --login.",
            HttpStatusCode.NotFound => $"{hub.Host} knows no device '{id}'. See 'nave device list'.",
            HttpStatusCode.PreconditionFailed => $"The lock of the command is lost: it took longer than the lock lasts, or was purged. {reason}",
            _ => $"{hub.Host} refused to {what} for '{id}': {(int)answer.StatusCode} {reason}",
        });
    }

    private string Token()
    {
        if (key.ReadyToken is { } ready)
        {
            return ready;
        }

        if (_token is not { } known || known.Item2 - time.GetUtcNow() < RenewBefore)
        {
            var expiresAt = time.GetUtcNow() + TokenLife;
            _token = known = Tuple.Create(SasToken.Mint(hub.Service.Host + id.ToPath(), key.Key!, expiresAt, key.Policy), expiresAt);
        }

        return known.Item1;
    }
}

/// <summary>What a device proves itself with.</summary>
/// <param name="Key">Base64; of the device, or of a policy.</param>
/// <param name="Policy">The policy that <paramref name="Key"/> belongs to, or null.</param>
/// <param name="ReadyToken">A token that somebody made.</param>
internal sealed record DeviceKey(string? Key, string? Policy = null, string? ReadyToken = null)
{
    /// <summary>What a connection string holds, a device's or a policy's.</summary>
    public static DeviceKey Of(ConnectionString connection) =>
        connection is { SharedAccessKey: null, SharedAccessSignature: null }
            ? throw new CommandFailedException("The connection string holds neither a key nor a token.", isUsage: true)
            : new DeviceKey(connection.SharedAccessKey, connection.SharedAccessKeyName, connection.SharedAccessSignature);
}
