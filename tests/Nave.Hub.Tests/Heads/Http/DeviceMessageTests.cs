using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Amqp;
using Nave.Hub.Devices;
using Nave.Hub.Tests.Harness;
using Nave.Hub.Tests.Heads.Amqp;
using Nave.Protocol.Identities;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Http;

/// <summary>Devices that send events over HTTPS, and who may (spec/device-http.md 1 to 3, 7).</summary>
public sealed class DeviceMessageTests : IAsyncLifetime
{
    private static readonly (string Header, string Value, string Property)[] SystemHeaders =
    [
        ("iothub-messageid", "m-1", "message-id"),
        ("iothub-correlationid", "c-1", "correlation-id"),
        ("iothub-userid", "u-1", "user-id"),
        ("iothub-contenttype", "application/json", "content-type"),
        ("iothub-contentencoding", "utf-8", "content-encoding"),
    ];

    private TestHub _hub = null!;
    private DeviceIdentity _identity = null!;
    private HttpDevice _device = null!;

    public async ValueTask InitializeAsync()
    {
        _hub = await DeviceHub.StartAsync();
        _identity = await _hub.CreateAsync("dev-1");
        _device = new HttpDevice(_hub, _identity);
    }

    public async ValueTask DisposeAsync()
    {
        _device.Dispose();
        await _hub.DisposeAsync();
    }

    [Fact]
    [Conformance("device-http", 1, 2)]
    public async Task An_event_carries_every_header_under_its_name()
    {
        var chunked = new StreamContent(new ChunkedStream("""{"t":1}"""u8.ToArray()));
        (string, string)[] headers =
        [
            .. SystemHeaders.Select(header => (header.Header, header.Value)),
            ("iothub-app-Color", "Red"), ("iothub-to", "t"), ("iothub-messageschema", "s"), ("iothub-creationtimeutc", "2026-01-01T00:00:00Z"),
            ("dt-subject", "comp"), ("iothub-interface-id", "i"), ("iothub-operation", "d2c"),
        ];
        using var answer = await _device.SendAsync(HttpMethod.Post, "events", chunked, headers);
        Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
        Assert.Empty(await answer.Content.ReadAsByteArrayAsync());

        var message = Assert.Single(await EventsAsync(1));
        Assert.Equal("""{"t":1}""", message.Text());
        Assert.Equal(("m-1", "c-1", "u-1"), (message.Properties.MessageId, message.Properties.CorrelationId, Encoding.UTF8.GetString(message.Properties.UserId)));
        Assert.Equal(("application/json", "utf-8"), (message.Properties.ContentType.ToString(), message.Properties.ContentEncoding.ToString()));
        Assert.Equal("Red", message.ApplicationProperties["Color"]);
        Assert.Equal(("s", "2026-01-01T00:00:00Z"), (message.ApplicationProperties["iothub-message-schema"], message.ApplicationProperties["iothub-creation-time-utc"]));
        Assert.Equal(("comp", "i"), (message.Annotation("dt-subject"), message.Annotation("iothub-interface-id")));
    }

    [Fact]
    [Conformance("device-http", 3)]
    public async Task A_batch_is_taken_in_order_or_not_at_all()
    {
        Assert.Equal(400, await SendBatchAsync("""[{"body":"YQ=="},{"body":"no base64!"}]"""));
        Assert.Equal(400, await SendBatchAsync("{}"));
        Assert.Equal(400, await SendBatchAsync($"[{string.Join(',', Enumerable.Repeat("""{"body":""}""", 501))}]"));
        var large = Convert.ToBase64String(new byte[200_000]);
        Assert.Equal(413, await SendBatchAsync($$"""[{"body":"{{large}}"},{"body":"{{large}}"}]"""));
        Assert.Equal(204, await SendBatchAsync("[]"));
        Assert.Equal(204, await SendBatchAsync(
            """[{"body":"YQ=="},{"body":"eyJ4IjoxfQ==","properties":{"iothub-app-Color":"Red","dt-subject":"comp"}},{"body":"c","base64Encoded":false}]"""));

        var events = await EventsAsync(3);
        Assert.Equal(["a", """{"x":1}""", "c"], events.Select(message => message.Text()));
        Assert.Equal(("Red", "comp"), (events[1].ApplicationProperties["Color"], events[1].Annotation("dt-subject")));
    }

    [Fact]
    [Conformance("messaging-semantics", 13)]
    public async Task An_event_of_256_KB_is_taken_and_one_byte_more_is_not()
    {
        Assert.Equal(204, await StatusAsync(_device.SendAsync(HttpMethod.Post, "events", new ByteArrayContent(new byte[262_144]))));
        Assert.Equal(413, await StatusAsync(_device.SendAsync(HttpMethod.Post, "events", new ByteArrayContent(new byte[262_145]))));
    }

    [Fact]
    [Conformance("messaging-semantics", 28)]
    public async Task An_event_leaves_the_device_disconnected()
    {
        Assert.Equal(204, await StatusAsync(_device.SendAsync(HttpMethod.Post, "events")));
        using var owner = new HttpDevice(_hub, _hub.PolicyToken("iothubowner"));
        using var answer = await owner.SendToAsync(HttpMethod.Get, "devices/dev-1");

        Assert.Equal("Disconnected", (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["connectionState"]);
    }

    [Fact]
    [Conformance("device-http", 12)]
    public async Task Only_the_device_itself_and_a_policy_with_DeviceConnect_may_send()
    {
        var other = await _hub.CreateAsync("dev-2");
        Assert.Equal(401, await EventAsync(_hub.DeviceToken(_identity), "dev-2"));
        Assert.Equal(204, await EventAsync(_hub.DeviceToken(other), "dev-2"));
        Assert.Equal(204, await EventAsync(_hub.PolicyToken("device"), "dev-2"));
        Assert.Equal(401, await EventAsync(_hub.PolicyToken("service"), "dev-2"));
        Assert.Equal(401, await EventAsync(null, "dev-2"));

        // Whether there is such a device is told to a policy, not to a stranger (spec/device-http.md 7).
        Assert.Equal(404, await EventAsync(_hub.PolicyToken("device"), "nobody"));
        Assert.Equal(401, await EventAsync(_hub.DeviceToken(other), "nobody"));
    }

    [Theory]
    [Conformance("device-http", 13)]
    [InlineData("POST", "events")]
    [InlineData("GET", "devicebound")]
    [InlineData("DELETE", "devicebound/2b5c7d8e-0000-0000-0000-000000000000")]
    [InlineData("POST", "devicebound/2b5c7d8e-0000-0000-0000-000000000000/abandon")]
    public async Task A_disabled_device_is_refused_at_once(string method, string path)
    {
        Assert.NotEqual(401, await StatusAsync(_device.SendAsync(new HttpMethod(method), path)));

        await _hub.SetEnabledAsync(_identity, isEnabled: false);
        Assert.Equal(401, await StatusAsync(_device.SendAsync(new HttpMethod(method), path)));

        await _hub.SetEnabledAsync(_identity, isEnabled: true);
        Assert.NotEqual(401, await StatusAsync(_device.SendAsync(new HttpMethod(method), path)));
    }

    [Theory]
    [Conformance("device-http", 15)]
    [InlineData("GET", "devices/dev-1/messages/devicebound", "own", 204, null)]
    [InlineData("GET", "devices/dev-1/messages/devicebound", "none", 401, "IotHubUnauthorizedAccess")]
    [InlineData("GET", "devices/nobody/messages/devicebound", "policy", 404, "DeviceNotFound")]
    [InlineData("DELETE", "devices/dev-1/messages/devicebound/nonsense", "own", 412, "DeviceMessageLockLost")]
    [InlineData("POST", "devices/dev-1/messages/events", "large", 413, "MessageTooLarge")]
    public async Task Every_refusal_says_its_name_in_body_and_header(string method, string path, string who, int status, string? name)
    {
        using var sender = new HttpDevice(_hub, who switch
        {
            "none" => null,
            "policy" => _hub.PolicyToken("device"),
            _ => _hub.DeviceToken(_identity),
        });
        using var answer = await sender.SendToAsync(new HttpMethod(method), path, who == "large" ? new ByteArrayContent(new byte[300_000]) : null);

        Assert.Equal(status, (int)answer.StatusCode);
        if (name is not null)
        {
            await AssertRefusalAsync(answer, name);
        }
    }

    [Fact]
    [Conformance("device-http", 17)]
    public async Task The_devices_certificate_stands_for_a_token_and_another_does_not()
    {
        using var right = TestCertificates.CreateSelfSigned("x509");
        using var wrong = TestCertificates.CreateSelfSigned("x509");
        var draft = new IdentityDraft(new IdentityId(DeviceId.Parse("x509")))
        {
            Authentication = new AuthenticationDraft { Type = "selfSigned", PrimaryThumbprint = right.GetCertHashString(HashAlgorithmName.SHA256) },
        };
        Assert.NotNull((await _hub.Get<DeviceRegistry>().CreateAsync(draft, TestContext.Current.CancellationToken)).Value);
        using var device = new HttpDevice(_hub, token: null, right) { Id = draft.Id };
        using var impostor = new HttpDevice(_hub, token: null, wrong) { Id = draft.Id };

        Assert.Equal(204, await StatusAsync(device.SendAsync(HttpMethod.Post, "events")));
        Assert.Equal(204, await StatusAsync(device.SendAsync(HttpMethod.Get, "devicebound")));
        Assert.Equal(401, await StatusAsync(impostor.SendAsync(HttpMethod.Post, "events")));
        Assert.Equal(401, await StatusAsync(impostor.SendAsync(HttpMethod.Get, "devicebound")));
    }

    [Fact]
    [Conformance("device-http", 18)]
    public async Task A_request_without_version_and_an_unknown_path_are_refused_in_JSON()
    {
        using var versionless = await _device.SendExactlyAsync(HttpMethod.Get, "devices/dev-1/messages/devicebound");
        Assert.Equal(HttpStatusCode.BadRequest, versionless.StatusCode);
        await AssertRefusalAsync(versionless, "InvalidProtocolVersion");

        using var unknown = await _device.SendToAsync(HttpMethod.Get, "devices/dev-1/nothing");
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
        Assert.NotNull(JsonNode.Parse(await unknown.Content.ReadAsStringAsync())!["Message"]);
    }

    private static async Task AssertRefusalAsync(HttpResponseMessage answer, string name)
    {
        Assert.Equal("application/json", answer.Content.Headers.ContentType?.MediaType);
        Assert.StartsWith($"ErrorCode:{name};", (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["Message"]);
        Assert.Equal(name, Assert.Single(answer.Headers.GetValues("iothub-errorcode")));
    }

    private static async Task<int> StatusAsync(Task<HttpResponseMessage> request)
    {
        using var answer = await request;
        return (int)answer.StatusCode;
    }

    private async Task<int> EventAsync(string? token, string device)
    {
        using var sender = new HttpDevice(_hub, token);
        return await StatusAsync(sender.SendToAsync(HttpMethod.Post, $"devices/{device}/messages/events"));
    }

    private Task<int> SendBatchAsync(string json)
    {
        var body = new StringContent(json, Encoding.UTF8, "application/vnd.microsoft.iothub.json");
        return StatusAsync(_device.SendAsync(HttpMethod.Post, "events", body));
    }

    // All there are: what was refused would come first.
    private async Task<List<Message>> EventsAsync(int count)
    {
        await using var reader = await AmqpDeviceClient.ConnectPolicyAsync(_hub, "service");
        var events = await reader.EventsAsync();
        var messages = new List<Message>();
        while (messages.Count < count)
        {
            messages.Add(await events.NextAsync());
        }

        Assert.Equal(0, events.Waiting);
        return messages;
    }

    /// <summary>A body whose length nobody knows before it is read.</summary>
    private sealed class ChunkedStream(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }
}
