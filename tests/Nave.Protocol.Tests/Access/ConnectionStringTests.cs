using Nave.Protocol.Access;
using Nave.Protocol.Identities;
using Nave.Tests;

namespace Nave.Protocol.Tests.Access;

public sealed class ConnectionStringTests
{
    private const string Key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

    [Theory]
    [Conformance("security", 25)]
    [InlineData("HostName=hub.nave.test;DeviceId=dev1;SharedAccessKey=" + Key)]
    [InlineData("HostName=hub.nave.test;DeviceId=dev1;ModuleId=mod1;SharedAccessKey=" + Key)]
    [InlineData("HostName=127.0.0.2:18883;DeviceId=dev1;x509=true")]
    [InlineData("HostName=localhost;DeviceId=dev1;SharedAccessSignature=SharedAccessSignature sr=a&sig=b%3D&se=1&skn=")]
    [InlineData("HostName=hub.nave.test;DeviceId=dev1;SharedAccessKey=" + Key + ";GatewayHostName=gw")]
    [InlineData("HostName=hub.nave.test;DeviceId=dev1;SharedAccessKeyName=device;SharedAccessKey=" + Key)]
    [InlineData("HostName=hub.nave.test;SharedAccessKeyName=iothubowner;SharedAccessKey=" + Key)]
    [InlineData("Endpoint=sb://hub.nave.test/;SharedAccessKeyName=service;SharedAccessKey=" + Key + ";EntityPath=nave")]
    [InlineData("Endpoint=sb://localhost:5672/;SharedAccessKeyName=service;SharedAccessKey=" + Key + ";EntityPath=nave;UseDevelopmentEmulator=true")]
    public void Each_form_reads_and_prints_the_same(string text) =>
        Assert.Equal(text, ConnectionString.Parse(text).ToString());

    [Fact]
    public void The_fields_are_told_apart()
    {
        var parsed = ConnectionString.Parse($"hostname=h:18883;DeviceId=a;b;ModuleId=m=1;SharedAccessKey={Key};Extra=x;");

        Assert.Equal("h", parsed.Host);
        Assert.Equal(18883, parsed.Port);
        Assert.Equal(new IdentityId(DeviceId.Parse("a;b"), ModuleId.Parse("m=1")), parsed.Identity);
        Assert.Equal(Key, parsed.SharedAccessKey);
        Assert.Null(ConnectionString.Parse($"HostName=::1;DeviceId=a;SharedAccessKey={Key}").Port);
        Assert.Equal(8883, ConnectionString.Parse($"HostName=[::1]:8883;DeviceId=a;SharedAccessKey={Key}").Port);
    }

    [Theory]
    [InlineData("", "empty")]
    [InlineData("hello", "Name=Value")]
    [InlineData("DeviceId=d;SharedAccessKey=" + Key, "needs HostName or Endpoint; it has DeviceId, SharedAccessKey")]
    [InlineData("HostName=h;HostName=h", "'HostName' twice")]
    [InlineData("HostName=h/x;DeviceId=d;SharedAccessKey=" + Key, "not a host name")]
    [InlineData("HostName=h;DeviceId=a b;SharedAccessKey=" + Key, "DeviceId 'a b' is not allowed")]
    [InlineData("HostName=h;ModuleId=m;SharedAccessKey=" + Key, "ModuleId needs DeviceId")]
    [InlineData("HostName=h;DeviceId=d", "exactly one of")]
    [InlineData("HostName=h;DeviceId=d;SharedAccesKey=" + Key, "SharedAccesKey")]
    [InlineData("HostName=h;DeviceId=d;x509=true;SharedAccessKey=" + Key, "exactly one of")]
    [InlineData("HostName=h;x509=true", "x509=true needs DeviceId")]
    [InlineData("HostName=h;SharedAccessKey=" + Key, "whose key")]
    [InlineData("HostName=h;SharedAccessKeyName=a/b;SharedAccessKey=" + Key, "SharedAccessKeyName may hold")]
    [InlineData("HostName=h;DeviceId=d;SharedAccessKey=%%%", "not base64")]
    [InlineData("HostName=h;DeviceId=d;SharedAccessSignature=sr=x", "does not begin with")]
    [InlineData("Endpoint=hub;SharedAccessKeyName=s;SharedAccessKey=" + Key, "sb://host/")]
    public void What_cannot_be_read_is_explained_without_the_secret(string text, string expected)
    {
        var isRead = ConnectionString.TryParse(text, out _, out var problem);

        Assert.False(isRead);
        Assert.Contains(expected, problem);
        Assert.DoesNotContain(Key, problem);
    }
}
