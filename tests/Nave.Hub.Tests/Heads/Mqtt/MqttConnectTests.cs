using System.Buffers;
using System.Text;
using Nave.Hub.Devices;
using Nave.Hub.Tests.Devices;
using Nave.Mqtt;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Mqtt;

/// <summary>Everything up to the CONNACK.</summary>
public sealed class MqttConnectTests
{
    [Fact]
    [Conformance("device-mqtt", 1)]
    public async Task A_durable_session_is_present_from_the_second_connect_on()
    {
        await using var hub = await MqttHub.CreateAsync();

        var (first, firstCode, wasPresent) = await hub.ConnectAsync(hub.Connect());
        await first.DisconnectAsync();
        var (_, secondCode, isPresent) = await hub.ConnectAsync(hub.Connect());

        Assert.Equal((ConnectReturnCode.Accepted, false), (firstCode, wasPresent));
        Assert.Equal((ConnectReturnCode.Accepted, true), (secondCode, isPresent));
    }

    [Theory]
    [Conformance("device-mqtt", 2)]
    [InlineData("dev", MqttHub.Host + "/dev/?api-version=2021-04-12&DeviceClientType=x")]
    [InlineData("dev", MqttHub.Host + "/dev/api-version=2016-11-14&DeviceClientType=x")]
    [InlineData("dev", MqttHub.Host + "/dev")]
    [InlineData("dev", MqttHub.Host + "/dev/")]
    [InlineData("dev", "HUB.nave.TEST:18883/dev/?api-version=2021-04-12")]
    [InlineData("dev", "127.0.0.1/dev/?api-version=2021-04-12")]
    [InlineData("dev/mod", MqttHub.Host + "/dev/mod/?api-version=2021-04-12")]
    [InlineData("dev/mod", MqttHub.Host + "/dev/mod/api-version=2021-04-12")]
    public async Task Every_form_of_the_user_name_connects(string id, string userName)
    {
        await using var hub = await MqttHub.CreateAsync();
        await hub.CreateDeviceAsync("dev/mod");

        var (_, code, _) = await hub.ConnectAsync(hub.Connect(id, userName: userName));

        Assert.Equal(ConnectReturnCode.Accepted, code);
    }

    [Fact]
    [Conformance("device-mqtt", 2)]
    public async Task The_model_id_of_the_user_name_is_stamped_on_the_messages()
    {
        await using var hub = await MqttHub.CreateAsync();

        var (client, _, _) = await hub.ConnectAsync(hub.Connect(
            userName: MqttHub.Host + "/dev/?api-version=2021-04-12&model-id=dtmi:a:b;1&DeviceClientType=x"));
        await client.PublishAsync("devices/dev/messages/events/", "x");
        await hub.Log.WaitForRecordsAsync(1);

        Assert.Contains("dtmi:a:b;1", Encoding.UTF8.GetString(hub.Log.Records[0].Bytes), StringComparison.Ordinal);
    }

    [Theory]
    [Conformance("device-mqtt", 3)]
    [InlineData("dev", "other", MqttHub.Host + "/dev/?api-version=1", 2)]
    [InlineData("dev", "DEV", MqttHub.Host + "/dev/?api-version=1", 2)]
    [InlineData("dev", "dev", MqttHub.Host + "/dev/mod/?api-version=1", 2)]
    [InlineData("dev", "", MqttHub.Host + "/dev/?api-version=1", 2)]
    [InlineData("dev", "d v", MqttHub.Host + "/d v/?api-version=1", 2)]
    [InlineData("dev", "dev", MqttHub.Host, 4)]
    [InlineData("dev", "dev", "", 4)]
    [InlineData("dev", "dev", MqttHub.Host + "/dev/mod/more", 4)]
    [InlineData("dev", "dev", "other.nave.test/dev/?api-version=1", 5)]
    [InlineData("nobody", "nobody", MqttHub.Host + "/nobody/?api-version=1", 5)]
    public async Task A_user_name_that_does_not_fit_is_refused(string tokenOf, string clientId, string userName, int code)
    {
        await using var hub = await MqttHub.CreateAsync();

        var (client, answered, _) = await hub.ConnectAsync(hub.Connect(tokenOf, userName: userName, clientId: clientId));

        Assert.Equal((ConnectReturnCode)code, answered);
        await client.ExpectCloseAsync();
    }

    [Fact]
    [Conformance("device-mqtt", 3)]
    public async Task A_credential_that_does_not_stand_is_refused()
    {
        await using var hub = await MqttHub.CreateAsync();
        await hub.Registry.CreateAsync("disabled", new AuthenticationDraft { Type = "sas", PrimaryKey = RegistryHarness.KeyA, SecondaryKey = RegistryHarness.KeyB });
        await hub.Registry.ExpectAsync(hub.Registry.Registry.UpdateAsync(
            RegistryHarness.Draft("disabled") with { IsEnabled = false }, ETagCondition.Any, default));
        string[] tokens =
        [
            hub.Token(key: "Y2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2M="),
            hub.Token(validFor: TimeSpan.FromDays(-1)),
            "SharedAccessSignature nonsense",
            "",
            new string('x', 60_000),
        ];

        foreach (var token in tokens)
        {
            var (client, code, _) = await hub.ConnectAsync(hub.Connect(token: token));
            Assert.Equal(ConnectReturnCode.NotAuthorized, code);
            await client.ExpectCloseAsync();
        }

        var (disabled, refused, _) = await hub.ConnectAsync(hub.Connect("disabled"));
        Assert.Equal(ConnectReturnCode.NotAuthorized, refused);
        await disabled.ExpectCloseAsync();
    }

    [Fact]
    [Conformance("device-mqtt", 3)]
    public async Task A_hub_that_stops_asks_to_try_again()
    {
        await using var hub = await MqttHub.CreateAsync();
        hub.Drain();

        var (client, code, _) = await hub.ConnectAsync(hub.Connect());

        Assert.Equal(ConnectReturnCode.ServerUnavailable, code);
        await client.ExpectCloseAsync();
    }

    [Fact]
    public async Task A_hub_that_stops_waits_for_nobody_who_has_not_connected()
    {
        await using var hub = await MqttHub.CreateAsync();
        var client = hub.Open();

        hub.Drain();

        await client.ExpectCloseAsync();
    }

    [Theory]
    [Conformance("device-mqtt", 3)]
    [InlineData("MQTT", 3)]
    [InlineData("MQTT", 6)]
    [InlineData("MQIsdp", 3)]
    public async Task Another_level_is_refused_whatever_follows(string protocol, byte level)
    {
        await using var hub = await MqttHub.CreateAsync();
        var client = hub.Open();

        await client.SendAsync(Frame([0, (byte)protocol.Length, .. Encoding.ASCII.GetBytes(protocol), level, 0xFF]));

        Assert.Equal(ConnectReturnCode.UnacceptableProtocolVersion, (await client.ExpectConnAckAsync()).Code);
        await client.ExpectCloseAsync();
    }

    [Fact]
    public async Task MQTT_5_is_refused_in_its_own_form()
    {
        await using var hub = await MqttHub.CreateAsync();
        var client = hub.Open();

        await client.SendAsync(output => new ConnectPacket { Version = MqttVersion.V5, ClientId = "dev" }.Write(output));

        // CONNACK, 3 bytes: no session, 0x84 unsupported protocol version, no properties.
        Assert.Equal(Convert.FromHexString("2003008400"), await client.ReadToEndAsync());
    }

    [Theory]
    [InlineData("474554202F20485454502F312E310D0A0D0A")] // GET / HTTP/1.1
    [InlineData("160301020001000001FC0303")] // A TLS hello.
    [InlineData("C000")] // PINGREQ first.
    [InlineData("300300016178")] // PUBLISH first.
    [InlineData("100700034D51540402")] // Another protocol name.
    [InlineData("10020004")]
    [InlineData("10FFFFFF7F")]
    [InlineData("10818004")] // 65,537 bytes.
    [InlineData("100C00044D5154540403003C0000")] // A reserved flag.
    [InlineData("00")]
    public async Task What_is_no_CONNECT_is_not_answered(string hex)
    {
        await using var hub = await MqttHub.CreateAsync();
        var client = hub.Open();

        await client.SendAsync(Convert.FromHexString(hex));

        await client.ExpectCloseAsync();
    }

    [Fact]
    public async Task A_connection_without_a_whole_CONNECT_is_dropped_after_ten_seconds()
    {
        await using var hub = await MqttHub.CreateAsync();
        var silent = hub.Open();
        var half = hub.Open();
        await half.SendAsync(new byte[] { 0x10, 0x80, 0x08, 0, 4, (byte)'M' });

        hub.Time.Advance(TimeSpan.FromSeconds(9));
        silent.ExpectNothing();
        hub.Time.Advance(TimeSpan.FromSeconds(2));

        await silent.ExpectCloseAsync();
        await half.ExpectCloseAsync();
    }

    [Fact]
    public async Task A_CONNECT_in_single_bytes_connects()
    {
        await using var hub = await MqttHub.CreateAsync();
        var client = hub.Open();
        var bytes = new ArrayBufferWriter<byte>();
        hub.Connect().Write(bytes);

        foreach (var piece in bytes.WrittenSpan.ToArray())
        {
            await client.SendAsync(new[] { piece });
        }

        Assert.Equal(ConnectReturnCode.Accepted, (await client.ExpectConnAckAsync()).Code);
    }

    [Fact]
    public async Task What_follows_a_CONNECT_in_the_same_read_is_handled()
    {
        await using var hub = await MqttHub.CreateAsync();
        var client = hub.Open();
        var packet = hub.Connect();

        await client.SendAsync(output =>
        {
            packet.Write(output);
            PingPacket.WriteRequest(output);
        });

        await client.ExpectConnAckAsync();
        await client.ExpectPingResponseAsync();
    }

    [Theory]
    [Conformance("device-mqtt", 12)]
    [InlineData("devices/other/messages/events/", 1)]
    [InlineData("foo/bar", 0)]
    [InlineData("devices/dev/messages/events/", 2)]
    public async Task A_will_that_the_device_may_not_leave_is_refused(string topic, byte qos)
    {
        await using var hub = await MqttHub.CreateAsync();

        var (client, code, _) = await hub.ConnectAsync(hub.Connect(will: new Will { Topic = topic, Qos = qos }));

        Assert.Equal(ConnectReturnCode.NotAuthorized, code);
        await client.ExpectCloseAsync();
    }

    [Fact]
    [Conformance("device-mqtt", 33)]
    public async Task A_certificate_connects_without_a_password_and_another_one_does_not()
    {
        await using var hub = await MqttHub.CreateAsync();
        using var own = TestCertificates.CreateSelfSigned("own");
        using var foreign = TestCertificates.CreateSelfSigned("foreign");
        await hub.Registry.CreateAsync("x509", new AuthenticationDraft { Type = "selfSigned", PrimaryThumbprint = own.Thumbprint, SecondaryThumbprint = own.Thumbprint });
        var packet = new ConnectPacket { ClientId = "x509", UserName = MqttHub.Host + "/x509/?api-version=2021-04-12", KeepAliveSeconds = 60 };
        var withEmptyPassword = new ConnectPacket { ClientId = "x509", UserName = packet.UserName, Password = ReadOnlyMemory<byte>.Empty };

        Assert.Equal(ConnectReturnCode.Accepted, (await hub.ConnectAsync(packet, own)).Code);
        Assert.Equal(ConnectReturnCode.Accepted, (await hub.ConnectAsync(withEmptyPassword, own)).Code);
        Assert.Equal(ConnectReturnCode.NotAuthorized, (await hub.ConnectAsync(packet, foreign)).Code);
        Assert.Equal(ConnectReturnCode.NotAuthorized, (await hub.ConnectAsync(packet)).Code);
    }

    [Fact]
    public async Task A_store_that_fails_asks_to_try_again_and_leaves_no_session()
    {
        await using var hub = await MqttHub.CreateAsync();
        hub.ExpectedErrors.Add(2107);
        await hub.Registry.Database.WriteAsync(session => session.Execute("DROP TABLE subscriptions"), default);

        var (client, code, _) = await hub.ConnectAsync(hub.Connect());

        Assert.Equal(ConnectReturnCode.ServerUnavailable, code);
        await client.ExpectCloseAsync();
        Assert.Equal(0, hub.Sessions.Count);
    }

    private static byte[] Frame(byte[] body) => [0x10, (byte)body.Length, .. body];
}
