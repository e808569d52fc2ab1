using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Net.Http.Headers;

namespace Nave.Hub.Hosting;

/// <summary>Marks an endpoint as an operator function: served on the operator port only, to whoever has the right Manage.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class OperatorFunctionAttribute : Attribute;

/// <summary>Marks an endpoint that is served on the operator port only, without a credential: figures, no secrets.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class OperatorPortAttribute : Attribute;

/// <summary>Marks an endpoint that is open to all on every port.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class OpenEverywhereAttribute : Attribute;

/// <summary>
/// Keeps the ports apart and guards operator functions (design.md 3): they need the credential of
/// <c>DATA/operator.json</c>, which no device, service or <c>iothubowner</c> credential stands in for. Every use is an
/// audit event.
/// </summary>
internal sealed partial class OperatorGate(OperatorCredential credential, ILogger<OperatorGate> logger) : IMiddleware
{
    private const string Scheme = "Bearer ";

    /// <summary>Middleware between routing and the endpoint.</summary>
    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var metadata = context.GetEndpoint()?.Metadata;
        var isOperatorPort = context.Features.Get<ArrivalFeature>()?.Port is HubPort.Operator;
        if (metadata?.GetMetadata<OpenEverywhereAttribute>() is not null
            || (isOperatorPort && metadata?.GetMetadata<OperatorPortAttribute>() is not null))
        {
            await next(context);
        }
        else if (metadata?.GetMetadata<OperatorFunctionAttribute>() is null)
        {
            // Device and service functions have no business here, operator figures none elsewhere.
            if (isOperatorPort || metadata?.GetMetadata<OperatorPortAttribute>() is not null)
            {
                context.Response.StatusCode = StatusCodes.Status404NotFound;
                return;
            }

            await next(context);
        }
        else if (!isOperatorPort)
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
        }
        else if (!IsAdmitted(context.Request))
        {
            Log.Refused(logger, context.Request.Method, context.Request.Path, context.Connection.RemoteIpAddress?.ToString());
            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            context.Response.Headers.WWWAuthenticate = "Bearer";
        }
        else
        {
            await next(context);
            Log.Used(
                logger, context.Request.Method, context.Request.Path, context.Connection.RemoteIpAddress?.ToString(), context.Response.StatusCode);
        }
    }

    private bool IsAdmitted(HttpRequest request)
    {
        var header = request.Headers[HeaderNames.Authorization].ToString();
        return header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            && CryptographicOperations.FixedTimeEquals(
                SHA256.HashData(Encoding.UTF8.GetBytes(header[Scheme.Length..].Trim())),
                SHA256.HashData(Encoding.UTF8.GetBytes(credential.Token)));
    }

    private static partial class Log
    {
        [LoggerMessage(1520, LogLevel.Information, "Audit: operator {Method} {Path} from {RemoteAddress} answered {StatusCode}")]
        public static partial void Used(ILogger logger, string method, string path, string? remoteAddress, int statusCode);

        [LoggerMessage(1521, LogLevel.Debug, "Operator {Method} {Path} from {RemoteAddress} refused: no valid operator credential")]
        public static partial void Refused(ILogger logger, string method, string path, string? remoteAddress);
    }
}

/// <summary>The secret of <c>DATA/operator.json</c>: made at the first start, kept afterwards.</summary>
internal sealed class OperatorCredential(string token)
{
    // 256 bits: not to be guessed, whatever the rate.
    private const int TokenBytes = 32;

    /// <summary>Goes into <c>Authorization: Bearer</c>.</summary>
    public string Token { get; } = token;

    /// <summary>The stored one, or a new one.</summary>
    public static OperatorCredential Of(DataDirectory data) =>
        new(OperatorFile.Find(data.Root)?.Token is { Length: > 0 } stored ? stored : Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(TokenBytes)));
}
