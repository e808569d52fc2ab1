using System.Globalization;
using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Nave.Protocol.Access;
using Nave.Tokens.Checks;

namespace Nave.Tokens.Service;

/// <summary>
/// <c>POST /tokens</c>. The credential is either <c>{"identity":…,"secret":…}</c> or <c>Authorization: Bearer</c>;
/// <c>"lifetimeSeconds"</c> is optional. Every refusal reads the same; why is in the audit trail.
/// </summary>
internal sealed partial class TokenEndpoint(TokenIssuer issuer, TokenMetrics metrics, TimeProvider time, ILogger<TokenEndpoint> logger)
{
    /// <summary>Longest body.</summary>
    public const int MostBodyBytes = 8 << 10;

    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = 4, AllowDuplicateProperties = false };

    // From the first byte to the answer: body, queue, hash, callback.
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(15);

    /// <summary>Answers a request.</summary>
    public async Task AnswerAsync(HttpContext context)
    {
        context.Response.Headers.CacheControl = "no-store";
        if (!context.Request.IsHttps)
        {
            // A credential on the plain metrics port is a mistake, and is not judged.
            await RefuseAsync(context, StatusCodes.Status404NotFound, "NotFound", "There is nothing here.");
            return;
        }

        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        using var timer = new CancellationTokenSource(Longest, time);
        await using var link = timer.Token.Register(deadline.Cancel);
        try
        {
            var (credential, wanted, problem) = await ReadAsync(context, deadline.Token);
            if (credential is null)
            {
                metrics.Malformed();
                await RefuseAsync(context, StatusCodes.Status400BadRequest, "BadRequest", problem!);
                return;
            }

            var address = context.Connection.RemoteIpAddress ?? IPAddress.None;
            await WriteAsync(context, await issuer.IssueAsync(credential, wanted, address, deadline.Token));
        }
        catch (BadHttpRequestException e)
        {
            metrics.Malformed();
            await RefuseAsync(context, e.StatusCode, "BadRequest", $"The body has at most {MostBodyBytes} bytes and comes at once.");
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            Log.GivenUp(logger, context.Connection.RemoteIpAddress); // Nobody is left to answer.
        }
        catch (OperationCanceledException)
        {
            await WriteAsync(context, new IssueOutcome.Unavailable("it took too long", TimeSpan.FromSeconds(5)));
        }
    }

    private static async Task<(PresentedCredential? Credential, TimeSpan? Wanted, string? Problem)> ReadAsync(HttpContext context, CancellationToken deadline)
    {
        var authorization = context.Request.Headers.Authorization.ToString();
        if (authorization.StartsWith(SasToken.Prefix, StringComparison.OrdinalIgnoreCase))
        {
            return (null, null, "A token of the hub does not renew itself: show the credential that you got it with.");
        }

        var bearer = authorization.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) ? authorization[7..].Trim() : null;
        if (bearer is { Length: 0 or > PresentedCredential.MaxBearerLength })
        {
            return (null, null, $"A bearer token has at most {PresentedCredential.MaxBearerLength} characters.");
        }

        if (context.Request.ContentLength is 0 || (context.Request.ContentLength is null && !context.Request.Headers.ContainsKey("Transfer-Encoding")))
        {
            return bearer is null ? (null, null, "The body names the identity and its secret.") : (PresentedCredential.OfBearer(bearer), null, null);
        }

        JsonDocument body;
        try
        {
            body = await JsonDocument.ParseAsync(context.Request.Body, Strict, deadline);
        }
        catch (JsonException)
        {
            return (null, null, "The body is not JSON."); // Its message quotes the body, which holds a secret.
        }

        using (body)
        {
            return ReadBody(body.RootElement, bearer);
        }
    }

    private static (PresentedCredential? Credential, TimeSpan? Wanted, string? Problem) ReadBody(JsonElement body, string? bearer)
    {
        if (body.ValueKind is not JsonValueKind.Object)
        {
            return (null, null, "The body is not a JSON object.");
        }

        TimeSpan? wanted = null;
        if (body.TryGetProperty("lifetimeSeconds", out var life))
        {
            if (life.ValueKind is not JsonValueKind.Number || !life.TryGetInt32(out var seconds) || seconds < 1)
            {
                return (null, null, "lifetimeSeconds is not a whole number of seconds.");
            }

            wanted = TimeSpan.FromSeconds(seconds);
        }

        var identity = Text(body, "identity", PresentedCredential.MaxIdentityLength);
        var secret = Text(body, "secret", PresentedCredential.MaxSecretLength);
        return bearer is not null
                ? identity is null && secret is null && !body.TryGetProperty("secret", out _)
                    ? (PresentedCredential.OfBearer(bearer), wanted, null)
                    : (null, null, "Show a bearer token or a secret, not both.")
            : identity is null || secret is null
                ? (null, null, $"identity and secret are texts of 1 to {PresentedCredential.MaxIdentityLength} and {PresentedCredential.MaxSecretLength} characters.")
            : (PresentedCredential.OfSecret(identity, secret), wanted, null);
    }

    private static string? Text(JsonElement body, string name, int longest)
    {
        if (!body.TryGetProperty(name, out var value) || value.ValueKind is not JsonValueKind.String)
        {
            return null;
        }

        try
        {
            return value.GetString() is { Length: > 0 } text && text.Length <= longest && !text.Contains('\0', StringComparison.Ordinal) ? text : null;
        }
        catch (InvalidOperationException)
        {
            return null; // Half a surrogate pair: no text.
        }
    }

    private static Task WriteAsync(HttpContext context, IssueOutcome outcome)
    {
        switch (outcome)
        {
            case IssueOutcome.Issued issued:
                return AnswerAsync(context, StatusCodes.Status200OK, json =>
                {
                    json.WriteString("hostName", issued.Token.HostName);
                    json.WriteString("deviceId", issued.Token.Device.Value);
                    json.WriteString("token", issued.Token.Token);
                    json.WriteString("expiresAt", issued.Token.ExpiresAt.UtcDateTime);
                    json.WriteString("renewAt", issued.Token.RenewAt.UtcDateTime);
                });
            case IssueOutcome.Delayed delayed:
                RetryAfter(context, delayed.RetryAfter);
                return RefuseAsync(context, StatusCodes.Status429TooManyRequests, "TooManyRequests", "Not now: come back after the time that Retry-After names.");
            case IssueOutcome.Unavailable unavailable:
                RetryAfter(context, unavailable.RetryAfter);
                return RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, "Unavailable", "Credentials cannot be judged now.");
            default:
                return RefuseAsync(context, StatusCodes.Status401Unauthorized, "Unauthorized", "The credential was refused.");
        }
    }

    private static void RetryAfter(HttpContext context, TimeSpan wait) =>
        context.Response.Headers.RetryAfter = Math.Max(1, (long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);

    private static Task RefuseAsync(HttpContext context, int status, string code, string message) => AnswerAsync(context, status, json =>
    {
        json.WriteString("errorCode", code);
        json.WriteString("message", message);
    });

    private static async Task AnswerAsync(HttpContext context, int status, Action<Utf8JsonWriter> fields)
    {
        using var buffer = new MemoryStream(512);
        await using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            fields(json);
            json.WriteEndObject();
        }

        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json; charset=utf-8";
        context.Response.ContentLength = buffer.Length;
        await context.Response.Body.WriteAsync(buffer.GetBuffer().AsMemory(0, (int)buffer.Length), context.RequestAborted);
    }

    private static partial class Log
    {
        [LoggerMessage(9006, LogLevel.Debug, "{RemoteAddress} gave up before it was answered")]
        public static partial void GivenUp(ILogger logger, IPAddress? remoteAddress);
    }
}
