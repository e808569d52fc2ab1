using System.Net;
using Nave.Hub.Hosting;

namespace Nave.Hub.Tests.Hosting;

public sealed class HostNamesTests
{
    [Theory]
    [InlineData("127.0.0.1", "localhost box 127.0.0.1")]
    [InlineData("0.0.0.0", "localhost box 127.0.0.1")]
    [InlineData("192.168.1.4", "localhost box 192.168.1.4")]
    [InlineData("127.0.0.2", "127.0.0.2 localhost box")]
    public void The_default_set_follows_the_bound_address(string bound, string expected) =>
        Assert.Equal(expected.Split(' '), HostNames.Of([], IPAddress.Parse(bound), "BOX"));

    [Fact]
    public void Chosen_names_replace_the_defaults() =>
        Assert.Equal(["hub.example", "other"], HostNames.Of(["hub.example", "other"], IPAddress.Loopback, "box"));
}
