using System.Net;

namespace Nave.Tokens.Tests.Harness;

/// <summary>Answers requests as the test says, and counts them.</summary>
internal sealed class StubHttp(Func<HttpRequestMessage, CancellationToken, Task<HttpResponseMessage>> answer) : HttpMessageHandler
{
    private int _count;

    public int Count => Volatile.Read(ref _count);

    public HttpClient Client => new(this, disposeHandler: false);

    public static StubHttp Of(Func<HttpResponseMessage> answer) => new((_, _) => Task.FromResult(answer()));

    public static HttpResponseMessage Json(string json, HttpStatusCode status = HttpStatusCode.OK) => new(status) { Content = new StringContent(json) };

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _count);
        return answer(request, cancellationToken);
    }
}
