using System.Net.Sockets;
using System.Text;
using Nave.Hub.Heads.Http;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Http;

/// <summary>Who may call what, and what everybody else is told.</summary>
public sealed class ServiceAccessTests : IAsyncLifetime
{
    private ServiceApiHarness _hub = null!;

    public async ValueTask InitializeAsync()
    {
        _hub = await ServiceApiHarness.StartAsync();
        (await _hub.PutAsync("/devices/pump", "{}")).AssertOk();
    }

    public ValueTask DisposeAsync() => _hub.DisposeAsync();

    [Fact]
    [Conformance("service-rest", 32)]
    public async Task A_reader_reads_and_nothing_more()
    {
        var token = _hub.Token("registryRead");

        (await _hub.GetAsync("/devices/pump", token)).AssertOk();
        (await _hub.PutAsync("/devices/other", "{}", token: token)).AssertRefused(401, "IotHubUnauthorizedAccess");
        (await _hub.DeleteAsync("/devices/pump", token: token)).AssertRefused(401, "IotHubUnauthorizedAccess");
        (await _hub.PostAsync("/devices", "[]", token)).AssertRefused(401, "IotHubUnauthorizedAccess");
        (await _hub.GetAsync("/twins/pump", token)).AssertRefused(401, "IotHubUnauthorizedAccess");
        (await _hub.GetAsync("/statistics/service", token)).AssertRefused(401, "IotHubUnauthorizedAccess");
    }

    [Theory]
    [InlineData("registryReadWrite", 200, 200, 401)]
    [InlineData("service", 401, 401, 200)]
    [InlineData("device", 401, 401, 401)]
    public async Task Rights_open_what_they_name(string policy, int read, int write, int service)
    {
        var token = _hub.Token(policy);

        Assert.Equal(read, (int)(await _hub.GetAsync("/devices/pump", token)).Status);
        Assert.Equal(write, (int)(await _hub.PutAsync("/devices/pump", "{}", "*", token)).Status);
        Assert.Equal(service, (int)(await _hub.GetAsync("/statistics/service", token)).Status);
    }

    [Fact]
    [Conformance("service-rest", 33)]
    public async Task Tokens_that_do_not_hold_are_refused_in_shape_A()
    {
        var expired = _hub.Token(validFor: TimeSpan.FromMinutes(-10));
        var wrongKey = _hub.Token(key: ServiceApiHarness.KeyA);
        var unknownPolicy = _hub.Token("nobody", key: ServiceApiHarness.KeyA);
        var otherHub = _hub.Token(resource: "other.nave.test");

        foreach (var token in new[] { "", expired, wrongKey, unknownPolicy, otherHub, "Bearer eyJhbGciOiJub25lIn0.e30.", "nonsense", new string('x', 5000) })
        {
            (await _hub.GetAsync("/devices/pump", token)).AssertRefused(401, "IotHubUnauthorizedAccess");
        }
    }

    [Fact]
    public async Task A_token_for_one_path_opens_no_other()
    {
        var token = _hub.Token(resource: ServiceApiHarness.Host + "/devices/pump");

        (await _hub.GetAsync("/devices/pump", token)).AssertOk();
        (await _hub.GetAsync("/devices/pumpkin", token)).AssertRefused(401, "IotHubUnauthorizedAccess");
        (await _hub.GetAsync("/devices", token)).AssertRefused(401, "IotHubUnauthorizedAccess");
    }

    [Fact]
    public async Task A_device_key_opens_no_service_route()
    {
        (await _hub.PutAsync(
            "/devices/own",
            $$"""{"authentication":{"symmetricKey":{"primaryKey":"{{ServiceApiHarness.KeyA}}","secondaryKey":"{{ServiceApiHarness.KeyB}}"} } }""")).AssertOk();
        var token = Protocol.Access.SasToken.Mint(
            ServiceApiHarness.Host + "/devices/own", ServiceApiHarness.KeyA, TimeProvider.System.GetUtcNow().AddHours(1));

        (await _hub.GetAsync("/devices/own", token)).AssertRefused(401, "IotHubUnauthorizedAccess");
    }

    [Fact]
    public async Task Strangers_cannot_tell_known_devices_from_unknown_ones()
    {
        var known = await _hub.GetAsync("/devices/pump", token: "");
        var unknown = await _hub.GetAsync("/devices/nobody", token: "");

        Assert.Equal((known.Status, known["Message"]), (unknown.Status, unknown["Message"]));
    }

    [Fact]
    [Conformance("service-rest", 35)]
    public async Task The_api_version_must_be_there_and_may_be_any()
    {
        (await _hub.SendAsync("GET", "/devices/pump", hasVersion: false)).AssertRefused(400, "InvalidProtocolVersion");
        (await _hub.SendAsync("GET", "/devices/pump?api-version=", hasVersion: false)).AssertRefused(400, "InvalidProtocolVersion");
        (await _hub.SendAsync("GET", "/devices/pump?api-version=2016-02-03", hasVersion: false)).AssertOk();
        (await _hub.SendAsync("GET", "/devices/pump?top=1&API-Version=2099-01-01-preview", hasVersion: false)).AssertOk();
    }

    [Theory]
    [InlineData("POST", "/jobs%2Fcreate")]
    [InlineData("GET", "/jobs")]
    [InlineData("DELETE", "/jobs/j-1")]
    [InlineData("POST", "/jobs/create")]
    public async Task What_is_not_built_is_refused_with_501_and_a_number(string verb, string path)
    {
        var answer = await _hub.SendAsync(verb, path, verb is "POST" or "PUT" or "PATCH" ? "{}" : null);

        answer.AssertRefused(501, "NotImplemented");
        Assert.Equal("501001", answer["errorCode"]);
    }

    [Theory]
    [InlineData("POST", "/$admin/exportRegistry")]
    [InlineData("GET", "/nothing")]
    [InlineData("PATCH", "/devices/pump")]
    [InlineData("GET", "/")]
    [InlineData("GET", "/devices/pump/modules/m/x.y")]
    public async Task What_nobody_documents_is_404(string verb, string path) =>
        (await _hub.SendAsync(verb, path)).AssertRefused(404, "AmqpAddressNotFound");

    [Fact]
    public async Task An_encoded_path_is_authorised_as_what_it_means()
    {
        var token = _hub.Token(resource: ServiceApiHarness.Host + "/devices/pump");

        (await _hub.GetAsync("/devices%2Fpump", token)).AssertOk();
        (await _hub.GetAsync("/devices%2Fother", token)).AssertRefused(401, "IotHubUnauthorizedAccess");
    }

    [Theory]
    [InlineData("/devices%2fa", "/devices/a")]
    [InlineData("/devices/a%252Fb?x=%2F", "/devices/a%2Fb")]
    [InlineData("/a+b", "/a+b")]
    [InlineData("/%", "/%")]
    [InlineData("/", "/")]
    public void A_path_is_decoded_once(string target, string expected)
    {
        Assert.True(RequestPaths.TryDecode(target, out var path));
        Assert.Equal(expected, path);
    }

    [Theory]
    [InlineData("*")]
    [InlineData("")]
    [InlineData("http://host/devices")]
    [InlineData("host:443")]
    [InlineData(null)]
    public void Other_forms_of_a_target_are_left_alone(string? target) => Assert.False(RequestPaths.TryDecode(target, out _));

    [Theory]
    [InlineData("GET /devices/pump?api-version=1 HTTP/1.1\r\nHost: h\r\nAuthorization: \u00ff\u00fe\r\nConnection: close\r\n\r\n")]
    [InlineData("PUT /devices/x?api-version=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\nConnection: close\r\n\r\n")]
    [InlineData("GET http://hub.nave.test/devices/pump?api-version=1 HTTP/1.1\r\nHost: hub.nave.test\r\nConnection: close\r\n\r\n")]
    [InlineData("GET /%ff%fe/%00?api-version=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")]
    public async Task Odd_requests_are_answered_and_logged_no_louder_than_debug(string request)
    {
        using var socket = new TcpClient();
        await socket.ConnectAsync(_hub.Client.BaseAddress!.Host, _hub.Client.BaseAddress.Port);
        await socket.GetStream().WriteAsync(Encoding.Latin1.GetBytes(request));

        using var reader = new StreamReader(socket.GetStream());
        Assert.Matches("^HTTP/1.1 4[0-9][0-9] ", await reader.ReadLineAsync());

        Assert.DoesNotContain(_hub.Log.Lines, line => line.Level > Microsoft.Extensions.Logging.LogLevel.Debug && line.Category.StartsWith("Nave.Hub.Heads", StringComparison.Ordinal));
    }
}
