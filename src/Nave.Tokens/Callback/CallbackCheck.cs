using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Nave.Protocol.Identities;
using Nave.Tokens.Checks;

namespace Nave.Tokens.Callback;

/// <summary>
/// Asks the customer's own service: <c>POST {"identity":…,"secret":…,"address":…}</c>; 200 with <c>{"deviceId":…}</c> lets
/// in, 401, 403 and 404 refuse. Anything else, and no answer within 3 s, is a failure: it lets nobody in and counts for
/// the circuit breaker.
/// </summary>
public sealed partial class CallbackCheck : ICredentialCheck, IDisposable
{
    private const int MostAtOnce = 64;
    private const int MostAnswerBytes = 16 << 10;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    private readonly Uri _url;
    private readonly HttpClient _http;
    private readonly AuthenticationHeaderValue? _authorization;
    private readonly CircuitBreaker _breaker;
    private readonly SemaphoreSlim _room = new(MostAtOnce);
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    /// <param name="url">https.</param>
    /// <param name="http">Verifies TLS and follows no redirects.</param>
    /// <param name="authorization">What the service knows us by; null for nothing.</param>
    /// <param name="time">Monotonic time.</param>
    /// <param name="logger">Told when the circuit opens and closes.</param>
    /// <exception cref="ArgumentException">The address is not https, or the authorization no header.</exception>
    public CallbackCheck(Uri url, HttpClient http, string? authorization, TimeProvider time, ILogger<CallbackCheck> logger)
    {
        if (url.Scheme is not "https")
        {
            throw new ArgumentException("A callback is https: it carries secrets.", nameof(url));
        }

        if (authorization is not null && !AuthenticationHeaderValue.TryParse(authorization, out _authorization))
        {
            throw new ArgumentException("Callback:Authorization is no Authorization header.", nameof(authorization));
        }

        _url = url;
        _http = http;
        _breaker = new CircuitBreaker(time);
        _time = time;
        _logger = logger;
    }

    /// <inheritdoc/>
    public string Name => "callback";

    /// <inheritdoc/>
    public bool Judges(PresentedCredential credential) => credential is { Identity: not null, Secret: not null };

    /// <inheritdoc/>
    public async ValueTask<CheckResult> CheckAsync(PresentedCredential credential, IPAddress address, CancellationToken stopping)
    {
        if (!await _room.WaitAsync(TimeSpan.Zero, stopping))
        {
            return new CheckResult.Busy(TimeSpan.FromSeconds(1));
        }

        try
        {
            return _breaker.Enter() is { } pause
                ? new CheckResult.Unavailable("the callback has not answered lately and is not asked", pause)
                : await AskAsync(credential, address);
        }
        finally
        {
            _room.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _room.Dispose();
        _http.Dispose();
    }

    // Not the caller's token: a device that gives up says nothing about the service that is asked.
    private async Task<CheckResult> AskAsync(PresentedCredential credential, IPAddress address)
    {
        using var deadline = new CancellationTokenSource(Patience, _time);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, _url)
            {
                Content = JsonContent.Create(new Question(credential.Identity!, credential.Secret!, address.ToString()), mediaType: null, JsonSerializerOptions.Web),
            };
            request.Headers.Authorization = _authorization;
            using var answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline.Token);
            return await JudgeAsync(answer, credential.Identity!, deadline.Token);
        }
        catch (OperationCanceledException)
        {
            return Failed($"the callback did not answer within {Patience.TotalSeconds:F0} s");
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return Failed($"the callback cannot be asked: {(e.InnerException ?? e).Message}");
        }
    }

    private async Task<CheckResult> JudgeAsync(HttpResponseMessage answer, string identity, CancellationToken deadline)
    {
        switch (answer.StatusCode)
        {
            case HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden or HttpStatusCode.NotFound:
                _breaker.Answered();
                return new CheckResult.Refused($"the callback answered {(int)answer.StatusCode}");
            case HttpStatusCode.OK:
                var buffer = new byte[MostAnswerBytes + 1];
                await using (var body = await answer.Content.ReadAsStreamAsync(deadline))
                {
                    var length = await body.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, deadline);
                    if (length <= MostAnswerBytes && DeviceOf(buffer.AsMemory(0, length)) is { } device)
                    {
                        _breaker.Answered();
                        return new CheckResult.Granted(device, identity);
                    }
                }

                return Failed("the callback's answer names no valid deviceId");
            default:
                return Failed($"the callback answered {(int)answer.StatusCode}");
        }
    }

    private CheckResult.Unavailable Failed(string reason)
    {
        if (_breaker.Failed())
        {
            Log.Opened(_logger, _url.Host, reason);
        }

        return new CheckResult.Unavailable(reason, CircuitBreaker.Pause);
    }

    private static DeviceId? DeviceOf(ReadOnlyMemory<byte> json)
    {
        try
        {
            using var answer = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 8, AllowDuplicateProperties = false });
            return answer.RootElement.ValueKind is JsonValueKind.Object
                && answer.RootElement.TryGetProperty("deviceId", out var id) && id.ValueKind is JsonValueKind.String
                && DeviceId.TryParse(id.GetString(), out var device) ? device : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private sealed record Question(string Identity, string Secret, string Address);

    private static partial class Log
    {
        [LoggerMessage(9030, LogLevel.Warning, "The callback at {Host} fails, nobody is let in by it and it is asked once in ten seconds until it answers: {Problem}")]
        public static partial void Opened(ILogger logger, string host, string problem);
    }
}
