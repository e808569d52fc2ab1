using Nave.Hub.Heads.Mqtt;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Mqtt;

public sealed class MqttUserNameTests
{
    [Theory]
    [Conformance("device-mqtt", 2)]
    [InlineData("hub.nave.test/dev/?api-version=2021-04-12&DeviceClientType=x", "2021-04-12", "x")]
    [InlineData("hub.nave.test/dev/api-version=2016-11-14&DeviceClientType=x", "2016-11-14", "x")]
    [InlineData("hub.nave.test/dev", "2016-11-14", null)]
    [InlineData("hub.nave.test/dev/", "2016-11-14", null)]
    [InlineData("hub.nave.test/dev/?", "2016-11-14", null)]
    [InlineData("hub.nave.test/dev/?DeviceClientType=x", "2016-11-14", "x")]
    [InlineData("hub.nave.test:18883/dev/?api-version=2021-04-12", "2021-04-12", null)]
    [InlineData("hub.nave.test/dev/DeviceClientType=a%2Fb&api-version=2018-06-30", "2018-06-30", "a/b")]
    [InlineData("hub.nave.test/dev/?api-version=1&api-version=2", "1", null)]
    [InlineData("hub.nave.test/dev/?api-version=2020-09-30&DeviceClientType=.NET/1.2 (x;y)", "2020-09-30", ".NET/1.2 (x;y)")]
    public void The_forms_of_a_device_name_the_same_device(string text, string apiVersion, string? clientType)
    {
        Assert.True(MqttUserName.TryParse(text, out var userName));

        Assert.Equal("hub.nave.test", userName.HostName);
        Assert.Equal("dev", userName.DeviceId);
        Assert.Null(userName.ModuleId);
        Assert.Equal("dev", userName.ExpectedClientId);
        Assert.Equal(apiVersion, userName.ApiVersion);
        Assert.Equal(clientType, userName.ClientType);
    }

    [Theory]
    [Conformance("device-mqtt", 2)]
    [InlineData("h/dev/mod/?api-version=2021-04-12")]
    [InlineData("h/dev/mod/api-version=2021-04-12")]
    [InlineData("h/dev/mod")]
    [InlineData("h/dev/mod/")]
    [InlineData("h/dev/mod/api-version=2017-06-30/DeviceClientType=Microsoft.Azure.Devices.Client/1.5.1-preview-003")]
    public void The_forms_of_a_module_name_the_same_module(string text)
    {
        Assert.True(MqttUserName.TryParse(text, out var userName));

        Assert.Equal(("h", "dev", "mod"), (userName.HostName, userName.DeviceId, userName.ModuleId));
        Assert.Equal("dev/mod", userName.ExpectedClientId);
    }

    [Fact]
    public void The_six_segment_form_gives_both_parameters()
    {
        Assert.True(MqttUserName.TryParse(
            "h/dev/mod/api-version=2017-06-30/DeviceClientType=Microsoft.Azure.Devices.Client/1.5.1-preview-003", out var userName));

        Assert.Equal("2017-06-30", userName.ApiVersion);
        Assert.Equal("Microsoft.Azure.Devices.Client/1.5.1-preview-003", userName.ClientType);
    }

    [Theory]
    [Conformance("device-mqtt", 2)]
    [InlineData("h/dev/?api-version=2021-04-12&model-id=dtmi:a:b;1&DeviceClientType=azure-iot-device%2F1.18.4%20(node%20v20)")]
    [InlineData("h/dev/?api-version=2021-04-12&DeviceClientType=c&model-id=dtmi%3Aa%3Ab%3B1")]
    public void A_model_id_is_read_raw_and_encoded(string text)
    {
        Assert.True(MqttUserName.TryParse(text, out var userName));

        Assert.Equal("dtmi:a:b;1", userName.ModelId);
    }

    [Fact]
    public void Nothing_in_the_path_is_decoded()
    {
        Assert.True(MqttUserName.TryParse("h/a%2Bb/?api-version=1", out var userName));

        Assert.Equal("a%2Bb", userName.DeviceId);
    }

    [Theory]
    [Conformance("device-mqtt", 3)]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("h")]
    [InlineData("h/")]
    [InlineData("/dev")]
    [InlineData(":8883/dev")]
    [InlineData("h//?api-version=1")]
    [InlineData("h/dev//mod")]
    [InlineData("h/dev/mod/more")]
    [InlineData("h/dev/mod/more/?api-version=1")]
    public void What_is_none_of_the_forms_is_refused(string? text) => Assert.False(MqttUserName.TryParse(text, out _));

    [Theory]
    [InlineData(2048, true)]
    [InlineData(2049, false)]
    public void A_model_id_is_bounded(int length, bool isAccepted) =>
        Assert.Equal(isAccepted, MqttUserName.TryParse($"h/d/?api-version=1&model-id={new string('x', length)}", out _));

    [Theory]
    [Conformance("device-mqtt", 4)]
    [InlineData("h/dev 1")]
    [InlineData("h/d\u00e9v")]
    [InlineData("h/dev/mo d")]
    public void An_id_with_an_illegal_character_is_no_identity(string text)
    {
        Assert.True(MqttUserName.TryParse(text, out var userName));

        Assert.Null(userName.ToIdentity());
    }

    [Theory]
    [InlineData("h/dev#+1", "dev#+1")]
    [InlineData("h/dev/mod", "dev/mod")]
    public void A_legal_id_is_an_identity(string text, string identity)
    {
        Assert.True(MqttUserName.TryParse(text, out var userName));

        Assert.Equal(identity, userName.ToIdentity().ToString());
    }
}
