using System.Globalization;
using Microsoft.AspNetCore.Http;
using Nave.Hub.Queries;
using Nave.Hub.Quotas;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Http;

/// <summary>Queries over REST (spec/service-rest.md 8): headers to a page and a page to headers.</summary>
internal sealed class QueryEndpoints(QueryRunner runner)
{
    // 8192 characters, each up to six bytes long as \uXXXX.
    private const int MaxBodyBytes = 64 * 1024;

    public void Map(ServiceRoutes routes) => routes.Map(HttpMethods.Post, "/devices/query", AccessRights.ServiceConnect, Metered.Queries, QueryAsync);

    /// <summary>How many rows the request asks for; more than the most is the most.</summary>
    internal static bool TryReadPageSize(ServiceCall call, out int size)
    {
        size = QueryRunner.DefaultPageSize;
        var text = call.Context.Request.Headers["x-ms-max-item-count"].ToString();
        return text.Length == 0
            || (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var asked) && asked > 0
                && (size = (int)Math.Min(asked, QueryRunner.MaxPageSize)) > 0);
    }

    private async ValueTask<ServiceAnswer> QueryAsync(ServiceCall call)
    {
        if (!(await call.ReadAsync(ServiceJson.Default.QueryRequest, MaxBodyBytes)).TryGet(out var body, out var failure))
        {
            return failure;
        }

        if (string.IsNullOrWhiteSpace(body.Query))
        {
            return HubFailures.ArgumentNull.Saying("The member query is missing.");
        }

        if (!TryReadPageSize(call, out var size))
        {
            return HubFailures.ArgumentInvalid.Saying("x-ms-max-item-count is not a number from 1.");
        }

        var continuation = call.Context.Request.Headers["x-ms-continuation"].ToString();
        return (await runner.RunAsync(body.Query, continuation, size, call.Stopping)).TryGet(out var page, out failure)
            ? new PageAnswer(page)
            : failure;
    }
}

/// <summary>The body of a query.</summary>
internal sealed record QueryRequest(string? Query);

/// <summary>A page of rows: an array, with what it is and where it goes on in headers (spec/service-rest.md 8).</summary>
internal sealed class PageAnswer(QueryPage page) : ServiceAnswer
{
    public override long? Bytes => page.Rows.Sum(row => (long)row.Length);

    public override async Task WriteAsync(HttpContext context, TimeProvider time)
    {
        var response = context.Response;
        response.StatusCode = StatusCodes.Status200OK;
        response.ContentType = JsonType;
        response.ContentLength = 2 + Math.Max(0, page.Rows.Count - 1) + page.Rows.Sum(row => (long)row.Length);
        response.Headers["x-ms-item-type"] = page.ItemType;

        // Never an empty one: Node clients would ask for ever.
        if (page.Continuation is { } continuation)
        {
            response.Headers["x-ms-continuation"] = continuation;
        }

        var body = response.BodyWriter;
        Write("["u8);
        for (var i = 0; i < page.Rows.Count; i++)
        {
            if (i > 0)
            {
                Write(","u8);
            }

            Write(page.Rows[i]);
        }

        Write("]"u8);
        await body.FlushAsync(context.RequestAborted);

        void Write(ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(body.GetSpan(bytes.Length));
            body.Advance(bytes.Length);
        }
    }
}
