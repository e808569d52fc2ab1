using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Nave.EventLog;
using Nave.Hub.Devices;
using Nave.Hub.Hosting;
using Nave.Hub.Telemetry;
using Nave.Hub.Tests.Devices;
using Nave.Hub.Tests.Harness;
using Nave.Protocol.Access;
using Nave.Protocol.Identities;
using Nave.Tests;

namespace Nave.Hub.Tests.Monitoring;

/// <summary>Ways to fail to connect, each explained to the operator in words that lead to the mend, and to nobody else.</summary>
public sealed class WhyTests : IAsyncLifetime
{
    private static readonly string WrongKey = Convert.ToBase64String(new byte[32]);

    private TestHub _hub = null!;
    private HttpClient _http = null!;

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _hub = await TestHub.StartAsync(options => options.Access.ClockSkew = TimeSpan.Zero);
        _http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{_hub.Connection.Ports.Operator}/$nave/v1/") };
        _http.DefaultRequestHeaders.Authorization = new("Bearer", OperatorFile.Find(_hub.Host.DataDirectory)!.Token);
        await CreateAsync("pump", isEnabled: true);
        await CreateAsync("valve", isEnabled: true);
        await CreateAsync("old", isEnabled: false);
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _hub.DisposeAsync();
    }

    [Fact]
    public async Task Each_way_to_fail_is_named()
    {
        var key = RegistryHarness.KeyA;

        await ConnectAsync("pump", Token("pump", WrongKey));
        await ExplainsAsync("device=pump", "IotHubUnauthorizedAccess", "signature mismatch", "nave device show pump");

        await ConnectAsync("pump", Token("valve", key));
        await ExplainsAsync("device=pump", "IotHubUnauthorizedAccess", "the token signs", "devices/valve", "devices/pump");

        await ConnectAsync("pump", Token("pump", key, TimeSpan.FromSeconds(-412)));
        await ExplainsAsync("device=pump", "IotHubUnauthorized", "the token had expired 41", "s before it arrived", "clock");

        await ConnectAsync("pump", SasToken.Mint("localhost", PolicyKey("service"), TimeProvider.System.GetUtcNow().AddHours(1), "service"));
        await ExplainsAsync("device=pump", "IotHubUnauthorizedAccess", "lacks the right DeviceConnect", "policy 'device'");

        await ConnectAsync("old", Token("old", key));
        await ExplainsAsync("device=old", "DeviceDisabled", "is disabled", "--status enabled");

        await ConnectAsync("nobody", Token("nobody", key));
        await ExplainsAsync("device=nobody", "IotHubUnauthorizedAccess", "there is no identity 'nobody'", "nave device create nobody");

        await ConnectAsync("pump", Token("pump", key), userName: "pump");
        await ExplainsAsync("device=pump", "ArgumentNull", "The user name", "api-version");

        await ConnectWithCertificateAsync("certified");
        await ExplainsAsync("device=certified", "IotHubUnauthorizedAccess", "thumbprint mismatch", "SHA-256", "put the thumbprint shown here");

        await OfferOldTlsAsync();
        await ExplainsAsync("address=127.0.0.1", "TlsVersion", "offered", "TLS 1.2");
    }

    [Fact]
    public async Task A_connect_that_is_refused_before_its_credential_is_an_operations_event()
    {
        await ConnectAsync("pump", Token("pump", RegistryHarness.KeyA), userName: "pump");

        using var reader = await _hub.Get<IEventLog>().OpenReaderAsync(new LogPartition(_hub.Get<TelemetryStreams>().Operations.Id, 0), ReadFrom.Beginning, Stopping);
        using var batch = await reader.ReadAsync(1, Stopping).AsTask().WaitAsync(TimeSpan.FromSeconds(30), Stopping);
        var told = Encoding.UTF8.GetString(batch.Records[0].Bytes.Span);
        Assert.Contains("\"operationName\":\"deviceConnect\"", told);
        Assert.Contains("\"statusType\":400005", told);
        Assert.Contains("\"deviceId\":\"pump\"", told);
    }

    [Fact]
    public async Task A_flood_is_one_entry_with_a_count_and_evicts_no_success()
    {
        await ConnectAsync("pump", Token("pump", RegistryHarness.KeyA), isRefused: false);
        for (var i = 0; i < 30; i++)
        {
            await ConnectAsync("pump", Token("pump", WrongKey));
        }

        var decisions = await WhyAsync("device=pump");

        Assert.Equal(30, (long)Assert.Single(decisions, decision => (string?)decision!["what"] == "refused")!["count"]!);
        Assert.Single(decisions, decision => (string?)decision!["what"] == "connected");
        Assert.Contains("signed with the primary key", (string?)Assert.Single(decisions, decision => (string?)decision!["what"] == "admitted")!["explanation"]);
    }

    [Fact]
    [Conformance("heartbeat-monitoring", 12)]
    public async Task A_device_with_a_wrong_key_shows_as_failing()
    {
        for (var i = 0; i < 3; i++)
        {
            await ConnectAsync("pump", Token("pump", WrongKey));
        }

        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Stopping);
        deadline.CancelAfter(TimeSpan.FromSeconds(10));
        using var poll = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        JsonNode device;
        while ((string?)(device = JsonNode.Parse(await _http.GetStringAsync("heartbeats/devices/pump", Stopping))!)["state"] != "failing")
        {
            await poll.WaitForNextTickAsync(deadline.Token);
        }

        Assert.Equal("IotHubUnauthorizedAccess", (string?)device["refusal"]);
    }

    [Fact]
    public async Task A_strangers_text_is_escaped_and_cut()
    {
        await ConnectAsync("bad\u001b[2Jname" + new string('x', 1000), Token("pump", RegistryHarness.KeyA), userName: "nonsense");

        var recent = (await WhyAsync("")).ToJsonString();

        Assert.DoesNotContain("\u001b", recent);
        Assert.DoesNotContain(new string('x', 600), recent);
        Assert.Contains("ArgumentNull", recent);
    }

    [Fact]
    [Conformance("heartbeat-monitoring", 13)]
    public async Task Why_a_connection_ended_is_kept_apart_from_the_heartbeat()
    {
        using (var polite = await OpenAsync("pump"))
        {
            await polite.GetStream().WriteAsync((byte[])[0xE0, 0], Stopping);
            await EndedByAsync("pump", "clientDisconnect");
        }

        using (var rude = await OpenAsync("pump"))
        {
            rude.LingerState = new LingerOption(true, 0);
            rude.Close();
            await EndedByAsync("pump", "connectionLost");
        }

        using (await OpenAsync("pump", keepAlive: 1))
        {
            await EndedByAsync("pump", "keepAliveTimeout");
        }

        using (await OpenAsync("pump", life: TimeSpan.FromSeconds(2)))
        {
            await EndedByAsync("pump", "tokenExpired");
        }

        using var first = await OpenAsync("valve");
        using var second = await OpenAsync("valve");
        Assert.Contains(await WhyAsync("device=valve"), decision => (string?)decision!["code"] == "takenOver");

        var draft = new IdentityDraft(new IdentityId(DeviceId.Parse("valve"))) { IsEnabled = false };
        Assert.True((await _hub.Get<DeviceRegistry>().UpdateAsync(draft, ETagCondition.Any, Stopping)).TryGet(out _, out var failure), failure?.Message);
        await EndedByAsync("valve", "disabled");
    }

    private async Task EndedByAsync(string device, string reason)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Stopping);
        deadline.CancelAfter(TimeSpan.FromSeconds(30));
        using var poll = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (JsonNode.Parse(await _http.GetStringAsync($"heartbeats/devices/{device}", Stopping))!["presence"] is var presence
            && ((bool)presence!["connected"]! || (string?)presence["reason"] != reason))
        {
            await poll.WaitForNextTickAsync(deadline.Token);
        }
    }

    private async Task ExplainsAsync(string query, string code, params string[] words)
    {
        var newest = (await WhyAsync(query)).First(decision => (string?)decision!["what"] is "refused" or "handshakeFailed")!;

        Assert.Equal(code, (string?)newest["code"]);
        Assert.All(words, word => Assert.Contains(word, $"{newest["explanation"]} {newest["hint"]}"));
    }

    private async Task<JsonArray> WhyAsync(string query) => (JsonArray)JsonNode.Parse(await _http.GetStringAsync($"why?{query}", Stopping))!;

    private async Task<TcpClient> OpenAsync(string device, TimeSpan? life = null, byte keepAlive = 60)
    {
        var (socket, code) = await ConnectAsync(device, Token(device, RegistryHarness.KeyA, life), null, keepAlive);
        Assert.Equal(0, code);
        return socket;
    }

    private async Task ConnectAsync(string device, string token, string? userName = null, bool isRefused = true)
    {
        var (socket, code) = await ConnectAsync(device, token, userName, keepAlive: 60);
        socket.Dispose();
        Assert.Equal(isRefused, code != 0);
    }

    // As a device does, byte for byte, on the plain port.
    private async Task<(TcpClient Socket, byte Code)> ConnectAsync(string device, string token, string? userName, byte keepAlive)
    {
        var socket = new TcpClient();
        await socket.ConnectAsync("127.0.0.1", _hub.Connection.Ports.Mqtt!.Value, Stopping);
        var stream = socket.GetStream();
        byte[] body =
        [
            0, 4, .. "MQTT"u8, 4, 0xC2, 0, keepAlive,
            .. Text(device), .. Text(userName ?? $"localhost/{device}/?api-version=2021-04-12"), .. Text(token),
        ];
        await stream.WriteAsync((byte[])[0x10, .. Length(body.Length), .. body], Stopping);
        var answer = new byte[4];
        await stream.ReadExactlyAsync(answer, Stopping);
        return (socket, answer[3]);
    }

    private async Task ConnectWithCertificateAsync(string device)
    {
        var draft = new IdentityDraft(new IdentityId(DeviceId.Parse(device)))
        {
            Authentication = new AuthenticationDraft { Type = "selfSigned", PrimaryThumbprint = new string('A', 40), SecondaryThumbprint = new string('B', 40) },
        };
        Assert.True((await _hub.Get<DeviceRegistry>().CreateAsync(draft, Stopping)).TryGet(out _, out var failure), failure?.Message);
        using var certificate = TestCertificates.CreateSelfSigned(device);
        using var socket = new TcpClient();
        await socket.ConnectAsync("127.0.0.1", _hub.Connection.Ports.Mqtts, Stopping);
        await using var tls = new SslStream(socket.GetStream());
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = "localhost",
            ClientCertificates = [certificate],
            RemoteCertificateValidationCallback = (_, server, _, _) => server is not null, // Whose it is does not matter here.
        };
        await tls.AuthenticateAsClientAsync(options, Stopping);
        byte[] body = [0, 4, .. "MQTT"u8, 4, 0x82, 0, 60, .. Text(device), .. Text($"localhost/{device}/?api-version=2021-04-12")];
        await tls.WriteAsync((byte[])[0x10, .. Length(body.Length), .. body], Stopping);
        var answer = new byte[4];
        await tls.ReadExactlyAsync(answer, Stopping);
        Assert.NotEqual(0, answer[3]);
    }

    // A ClientHello of TLS 1.0, which no library here will send.
    private async Task OfferOldTlsAsync()
    {
        using var socket = new TcpClient();
        await socket.ConnectAsync("127.0.0.1", _hub.Connection.Ports.Mqtts, Stopping);
        byte[] hello = [3, 1, .. new byte[32], 0, 0, 4, 0, 0x2F, 0, 0x35, 1, 0];
        byte[] handshake = [1, 0, 0, (byte)hello.Length, .. hello];
        await socket.GetStream().WriteAsync((byte[])[0x16, 3, 1, 0, (byte)handshake.Length, .. handshake], Stopping);
        var rest = new byte[256];
        while (await ReadAsync() > 0)
        {
            // Until the hub closes.
        }

        async Task<int> ReadAsync()
        {
            try
            {
                return await socket.GetStream().ReadAsync(rest, Stopping);
            }
            catch (IOException)
            {
                return 0; // A reset is an end as well.
            }
        }
    }

    private string PolicyKey(string policy) => ConnectionString.Parse(_hub.Connection.Policies[policy]).SharedAccessKey!;

    private static string Token(string device, string key, TimeSpan? life = null) => SasToken.Mint(
        $"localhost/devices/{device}", key, TimeProvider.System.GetUtcNow().Add(life ?? TimeSpan.FromHours(1)));

    private static byte[] Text(string text) => [(byte)(Encoding.UTF8.GetByteCount(text) >> 8), (byte)Encoding.UTF8.GetByteCount(text), .. Encoding.UTF8.GetBytes(text)];

    private static byte[] Length(int length) => length < 128 ? [(byte)length] : [(byte)(length % 128 | 128), (byte)(length / 128)];

    private async Task CreateAsync(string device, bool isEnabled)
    {
        var draft = new IdentityDraft(new IdentityId(DeviceId.Parse(device)))
        {
            IsEnabled = isEnabled,
            Authentication = new AuthenticationDraft { Type = "sas", PrimaryKey = RegistryHarness.KeyA, SecondaryKey = RegistryHarness.KeyB },
        };
        Assert.True((await _hub.Get<DeviceRegistry>().CreateAsync(draft, Stopping)).TryGet(out _, out var failure), failure?.Message);
    }
}
