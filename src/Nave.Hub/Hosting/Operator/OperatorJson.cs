using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Nave.Protocol.Errors;

namespace Nave.Hub.Hosting;

/// <summary>Bodies of operator functions: small JSON objects, read with a bound and answered without reflection.</summary>
internal static class OperatorJson
{
    // A certificate in PEM is a few kilobytes.
    private const int MaxBodyBytes = 128 * 1024;

    /// <summary>The request's object; an empty one without a body; null when it is none, which has then been answered.</summary>
    public static async Task<JsonObject?> ReadAsync(HttpContext context)
    {
        if (context.Request.ContentLength is 0)
        {
            return [];
        }

        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = MaxBodyBytes;
        }

        try
        {
            if (await JsonNode.ParseAsync(context.Request.Body, cancellationToken: context.RequestAborted) is JsonObject body)
            {
                return body;
            }
        }
        catch (Exception e) when (e is JsonException or BadHttpRequestException)
        {
            // Answered below, as anything else that is no object.
        }

        await RefuseAsync(context, HubFailures.ArgumentInvalid.Saying($"The body is not a JSON object of at most {MaxBodyBytes} bytes."));
        return null;
    }

    /// <summary>A text member, or null where it is absent, null or something else.</summary>
    public static string? Text(JsonObject body, string name) =>
        body[name] is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    /// <summary>A truth value; false where it is absent or something else.</summary>
    public static bool Flag(JsonObject body, string name) => body[name] is JsonValue value && value.TryGetValue<bool>(out var flag) && flag;

    /// <summary>A list of texts; null where it is absent.</summary>
    public static IReadOnlyList<string>? Texts(JsonObject body, string name) =>
        body[name] is JsonArray list ? [.. list.Select(item => item?.ToString() ?? "")] : null;

    /// <summary>Answers with a value.</summary>
    public static Task AnswerAsync(HttpContext context, JsonNode value, int status = StatusCodes.Status200OK)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json; charset=utf-8";
        context.Response.Headers.CacheControl = "no-store";
        return context.Response.WriteAsync(value.ToJsonString());
    }

    /// <summary>Answers that it is done.</summary>
    public static Task DoneAsync(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    }

    /// <summary>Answers with a failure; an operator is told its detail too.</summary>
    public static Task RefuseAsync(HttpContext context, HubFailure failure) => AnswerAsync(
        context,
        new JsonObject
        {
            ["errorCode"] = failure.Code.ToString(),
            ["message"] = failure.Detail is null ? failure.Message : $"{failure.Message} ({failure.Detail})",
        },
        failure.HttpStatus);

    /// <summary>The name in the path.</summary>
    public static string Name(HttpContext context) => (string)context.Request.RouteValues["name"]!;
}
