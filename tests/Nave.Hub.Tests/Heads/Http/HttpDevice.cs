using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Nave.Hub.Devices;
using Nave.Hub.Tests.Harness;
using Nave.Hub.Tests.Heads.Amqp;
using Nave.Protocol.Identities;

namespace Nave.Hub.Tests.Heads.Http;

/// <summary>A device, or somebody who claims to be one, over HTTPS to a <see cref="TestHub"/>.</summary>
internal sealed class HttpDevice : IDisposable
{
    private readonly HttpClient _client;
    private readonly string? _token;

    public HttpDevice(TestHub hub, DeviceIdentity device)
        : this(hub, hub.DeviceToken(device)) => Id = device.Id;

    public HttpDevice(TestHub hub, string? token, X509Certificate2? certificate = null)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.ImportFromPemFile(hub.Connection.CaCertificate);
        var handler = new SocketsHttpHandler { SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy } };
        if (certificate is not null)
        {
            handler.SslOptions.ClientCertificates = [certificate];
        }

        _client = new HttpClient(handler) { BaseAddress = new Uri($"https://localhost:{hub.Connection.Ports.Https}/") };
        _token = token;
    }

    /// <summary>Whose path <see cref="SendAsync(HttpMethod, string, HttpContent, ValueTuple{string, string}[])"/> means.</summary>
    public IdentityId Id { get; init; }

    /// <summary>Sends a request to a path behind <c>/devices/{id}/messages/</c>.</summary>
    public Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? body = null, params (string Name, string Value)[] headers) =>
        SendToAsync(method, $"devices/{Uri.EscapeDataString(Id.Device.Value)}/messages/{path}", body, headers);

    /// <summary>Sends a request to any path; the api-version is added.</summary>
    public Task<HttpResponseMessage> SendToAsync(HttpMethod method, string path, HttpContent? body = null, params (string Name, string Value)[] headers) =>
        SendExactlyAsync(method, path + (path.Contains('?', StringComparison.Ordinal) ? '&' : '?') + "api-version=2021-04-12", body, headers);

    /// <summary>Sends a request to a path as it stands.</summary>
    public async Task<HttpResponseMessage> SendExactlyAsync(HttpMethod method, string path, HttpContent? body = null, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body };
        if (_token is not null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", _token);
        }

        foreach (var (name, value) in headers)
        {
            Assert.True(request.Headers.TryAddWithoutValidation(name, value));
        }

        return await _client.SendAsync(request, TestContext.Current.CancellationToken);
    }

    /// <summary>Takes a command; its lock's token and body, or null.</summary>
    public async Task<(string Token, string Body, int DeliveryCount)?> ReceiveAsync()
    {
        using var answer = await SendAsync(HttpMethod.Get, "devicebound");
        return (int)answer.StatusCode is 204 ? null
            : (answer.Headers.ETag!.Tag.Trim('"'),
                await answer.Content.ReadAsStringAsync(),
                int.Parse(answer.Headers.GetValues("iothub-deliverycount").Single(), null));
    }

    public void Dispose() => _client.Dispose();
}
