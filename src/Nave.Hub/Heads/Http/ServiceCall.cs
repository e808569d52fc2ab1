using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Net.Http.Headers;
using Nave.Hub.Devices;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Heads.Http;

/// <summary>One admitted request of the service API, as handlers see it: ids from the path, headers, a bounded body.</summary>
internal readonly struct ServiceCall(HttpContext context)
{
    /// <summary>The request itself, for what is not here.</summary>
    public HttpContext Context { get; } = context;

    /// <summary>The client has gone, or the hub stops.</summary>
    public CancellationToken Stopping => Context.RequestAborted;

    /// <summary>The <c>If-Match</c> header; null when there is none.</summary>
    public ETagCondition? IfMatch => ETagCondition.Parse(Context.Request.Headers[HeaderNames.IfMatch].ToString());

    /// <summary>What the client calls itself, or null.</summary>
    public string? UserAgent => Context.Request.Headers.UserAgent.ToString() is { Length: > 0 } name ? name : null;

    /// <summary>A query parameter, or null.</summary>
    public string? Query(string name) => Context.Request.Query[name] is [{ } first, ..] ? first : null;

    /// <summary>Reads <c>{id}</c> and, where the route has one, <c>{moduleId}</c>.</summary>
    public bool TryReadIdentity(out IdentityId id, [NotNullWhen(false)] out HubFailure? failure)
    {
        id = default;
        failure = HubFailures.ArgumentInvalid.Saying($"An id has {IdentityText.Rule}.");
        if (!DeviceId.TryParse(Route("id"), out var device))
        {
            return false;
        }

        ModuleId? module = null;
        if (Route("moduleId") is { } text)
        {
            if (!ModuleId.TryParse(text, out var parsed))
            {
                return false;
            }

            module = parsed;
        }

        id = new IdentityId(device, module);
        failure = null;
        return true;
    }

    /// <summary>Reads a JSON body of at most so many bytes.</summary>
    public async ValueTask<Outcome<T>> ReadAsync<T>(JsonTypeInfo<T> type, int maxBytes)
        where T : class
    {
        if (!(await ReadBytesAsync(maxBytes)).TryGet(out var body, out var failure))
        {
            return failure;
        }

        try
        {
            var value = JsonSerializer.Deserialize(body, type);
            return value is null ? HubFailures.FormatError : value;
        }
        catch (JsonException)
        {
            return HubFailures.FormatError;
        }
    }

    /// <summary>Reads a body of at most so many bytes; takes no more memory than that whatever the client says or sends.</summary>
    public async ValueTask<Outcome<byte[]>> ReadBytesAsync(int maxBytes)
    {
        var request = Context.Request;
        if (request.ContentLength > maxBytes)
        {
            return HubFailures.MessageTooLarge.Saying($"The body is larger than {maxBytes} bytes.");
        }

        using var body = new MemoryStream();
        var buffer = new byte[Math.Min(maxBytes, 16 * 1024)];
        int count;
        while ((count = await request.Body.ReadAsync(buffer, Stopping)) > 0)
        {
            if (body.Length + count > maxBytes)
            {
                return HubFailures.MessageTooLarge.Saying($"The body is larger than {maxBytes} bytes.");
            }

            body.Write(buffer.AsSpan(0, count));
        }

        return body.ToArray();
    }

    /// <summary>A value of the route, or null.</summary>
    public string? Route(string name) => Context.GetRouteValue(name) as string;

}
