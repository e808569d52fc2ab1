using System.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Nave.Hub.Hosting;

/// <summary>
/// <c>/$nave/v1/dashboard/</c> on the operator port: a page, a script and a style, which hold no figure and no secret. The
/// script asks the operator API with the credential that its reader gives it; the page may load from nowhere else.
/// </summary>
internal static class DashboardEndpoints
{
    private const string Root = "/$nave/v1/dashboard";

    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private static readonly (string Path, string File, string Type)[] Files =
    [
        ("/", "index.html", "text/html; charset=utf-8"),
        ("/dashboard.js", "dashboard.js", "text/javascript; charset=utf-8"),
        ("/dashboard.css", "dashboard.css", "text/css; charset=utf-8"),
    ];

    /// <summary>Maps them.</summary>
    public static void Map(IEndpointRouteBuilder endpoints)
    {
        foreach (var (path, file, type) in Files)
        {
            var bytes = Read(file);
            endpoints.MapGet(Root + path, context => path == "/" && context.Request.Path.Value?.EndsWith('/') is false
                ? RedirectAsync(context)
                : WriteAsync(context, bytes, type)).WithMetadata(new OperatorPortAttribute());
        }
    }

    // The page's own addresses are relative to it.
    private static Task RedirectAsync(HttpContext context)
    {
        context.Response.Redirect(Root + "/");
        return Task.CompletedTask;
    }

    private static Task WriteAsync(HttpContext context, byte[] bytes, string type)
    {
        var response = context.Response;
        response.ContentType = type;
        response.Headers.ContentSecurityPolicy = Policy;
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers["Referrer-Policy"] = "no-referrer";
        response.Headers.CacheControl = "no-cache";
        return response.Body.WriteAsync(bytes, context.RequestAborted).AsTask();
    }

    private static byte[] Read(string file)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("dashboard/" + file)
            ?? throw new InvalidOperationException($"The program lacks the dashboard's {file}.");
        using var memory = new MemoryStream();
        stream.CopyTo(memory);
        return memory.ToArray();
    }
}
