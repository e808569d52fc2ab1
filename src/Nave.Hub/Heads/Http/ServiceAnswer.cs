using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Http;

/// <summary>What a request is answered with. A failure is one too, so handlers return either.</summary>
internal abstract class ServiceAnswer
{
    /// <summary>spec/service-rest.md 1: without the lower-case words Node clients drop the body in silence.</summary>
    public const string JsonType = "application/json; charset=utf-8";

    /// <summary>204.</summary>
    public static ServiceAnswer NoContent { get; } = new EmptyAnswer(StatusCodes.Status204NoContent);

    /// <summary>A JSON body; an ETag goes into the header quoted and stands in the body unquoted.</summary>
    public static ServiceAnswer Json<T>(T value, JsonTypeInfo<T> type, int status = StatusCodes.Status200OK, string? etag = null) =>
        new JsonAnswer<T>(value, type, status, etag);

    /// <summary>The same of JSON that is written already.</summary>
    public static ServiceAnswer WrittenJson(byte[] json, int status = StatusCodes.Status200OK, string? etag = null) =>
        new WrittenJsonAnswer(json, status, etag);

    /// <summary>The size of the document it brings, where it is one that costs units of the day; null elsewhere.</summary>
    public virtual long? Bytes => null;

    /// <summary>What a refusal says; null of an answer that is none.</summary>
    public virtual HubFailure? Failure => null;

    /// <summary>Writes status, headers and body.</summary>
    public abstract Task WriteAsync(HttpContext context, TimeProvider time);

    public static implicit operator ServiceAnswer(HubFailure failure) => new FailureAnswer(failure);

    private sealed class EmptyAnswer(int status) : ServiceAnswer
    {
        public override Task WriteAsync(HttpContext context, TimeProvider time)
        {
            context.Response.StatusCode = status;
            return Task.CompletedTask;
        }
    }

    private sealed class JsonAnswer<T>(T value, JsonTypeInfo<T> type, int status, string? etag) : ServiceAnswer
    {
        public override Task WriteAsync(HttpContext context, TimeProvider time) =>
            WrittenJson(JsonSerializer.SerializeToUtf8Bytes(value, type), status, etag).WriteAsync(context, time);
    }

    private sealed class WrittenJsonAnswer(byte[] body, int status, string? etag) : ServiceAnswer
    {
        public override long? Bytes => body.Length;

        public override async Task WriteAsync(HttpContext context, TimeProvider time)
        {
            var response = context.Response;
            response.StatusCode = status;
            response.ContentType = JsonType;
            response.ContentLength = body.Length;
            if (etag is not null)
            {
                response.Headers[HeaderNames.ETag] = $"\"{etag}\"";
            }

            await response.Body.WriteAsync(body, context.RequestAborted);
        }
    }

    // Shape A (spec/service-rest.md 3.1). The .NET client believes the body's code only with the header of the same name.
    private sealed class FailureAnswer(HubFailure failure) : ServiceAnswer
    {
        private const int TrackingBytes = 16;

        // Where nothing better is known.
        private const double SecondsUntilRetry = 5;

        public override HubFailure? Failure => failure;

        public override Task WriteAsync(HttpContext context, TimeProvider time)
        {
            context.Response.Headers["iothub-errorcode"] = failure.Code.ToString();
            if (failure.HttpStatus is StatusCodes.Status429TooManyRequests)
            {
                var seconds = Math.Max(1, Math.Ceiling(failure.RetryAfter?.TotalSeconds ?? SecondsUntilRetry));
                context.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
            }

            var tracking = RandomNumberGenerator.GetHexString(2 * TrackingBytes, lowercase: true);
            var stamp = time.GetUtcNow().ToString("MM/dd/yyyy HH:mm:ss", CultureInfo.InvariantCulture);
            var document = new FailureDocument(
                $"ErrorCode:{failure.Code};{failure.Message}",
                $"Tracking ID:{tracking}-G:0-TimeStamp:{stamp}",
                failure.Code is HubErrorCode.NotImplemented ? (int)failure.Code : null);
            return Json(document, ServiceJson.Default.FailureDocument, failure.HttpStatus).WriteAsync(context, time);
        }
    }
}
