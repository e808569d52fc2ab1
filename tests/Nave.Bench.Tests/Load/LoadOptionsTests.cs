using System.Net;
using Nave.Bench.Load;

namespace Nave.Bench.Tests.Load;

public sealed class LoadOptionsTests
{
    private static readonly LoadOptions Valid = new() { Target = new IPEndPoint(IPAddress.Loopback, 1), Host = "localhost" };

    [Fact]
    public void The_defaults_are_valid() => Assert.Null(Valid.Problem);

    [Fact]
    public void Values_that_make_no_run_are_named()
    {
        Assert.Contains("QoS", (Valid with { Qos = 2 }).Problem);
        Assert.Contains("window", (Valid with { Window = 65_536 }).Problem);
        Assert.Contains("connection", (Valid with { Connections = 0 }).Problem);
        Assert.Contains("rate", (Valid with { Rate = 0 }).Problem);
        Assert.Contains("credentials", (Valid with { Credentials = [new DeviceCredential("only-one")] }).Problem);
    }

    [Fact]
    public void A_template_wins_over_the_credentials_file_and_the_file_over_the_default()
    {
        var options = Valid with
        {
            Connections = 1,
            Credentials = [new DeviceCredential("pump", "from-file", "secret")],
            UserName = new Template("hub/{id}"),
        };

        Assert.Equal(new DeviceCredential("pump", "hub/pump", "secret"), options.CredentialOf(0));
        Assert.Equal(new DeviceCredential("bench-3"), Valid.CredentialOf(3));
    }
}
