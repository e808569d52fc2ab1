using System.Diagnostics.CodeAnalysis;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Nave.Hub.Heads.Http;

/// <summary>
/// Reads a request's path from what was sent, once, before routing, authorisation and logging alike: <c>%2F</c> becomes
/// <c>/</c> (Azure IoT Explorer encodes whole paths), each segment is decoded exactly once, <c>+</c> is nothing special
/// (spec/service-rest.md 1). The server's own path cannot tell <c>%2F</c> from <c>%252F</c> any more.
/// </summary>
internal static class RequestPaths
{
    /// <summary>To be used before routing.</summary>
    public static void Use(IApplicationBuilder app) => app.Use(RewriteAsync);

    /// <summary>The decoded path of a request target in origin form; false for other forms, which keep the server's path.</summary>
    public static bool TryDecode(string? target, [NotNullWhen(true)] out string? path)
    {
        path = null;
        if (string.IsNullOrEmpty(target) || target[0] != '/')
        {
            return false;
        }

        var query = target.IndexOf('?');
        var sent = (query < 0 ? target : target[..query]).Replace("%2F", "/", StringComparison.OrdinalIgnoreCase);
        path = Uri.UnescapeDataString(sent);
        return true;
    }

    private static Task RewriteAsync(HttpContext context, RequestDelegate next)
    {
        if (TryDecode(context.Features.Get<IHttpRequestFeature>()?.RawTarget, out var path))
        {
            context.Request.Path = new PathString(path); // The conversion from a string would decode once more.
        }

        return next(context);
    }
}
