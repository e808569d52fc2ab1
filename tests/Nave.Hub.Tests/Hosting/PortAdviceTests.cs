using System.Net;
using System.Net.Sockets;
using Nave.Hub.Hosting;
using Nave.Hub.Tests.Harness;

namespace Nave.Hub.Tests.Hosting;

public sealed class PortAdviceTests
{
    [Fact]
    public void An_ordinary_user_gets_the_exact_lines_for_port_443()
    {
        var message = Explain(SocketError.AccessDenied);

        Assert.Contains("sudo sysctl net.ipv4.ip_unprivileged_port_start=443\n", message, StringComparison.Ordinal);
        Assert.Contains("sudo setcap cap_net_bind_service=+ep /opt/dotnet/dotnet\n", message, StringComparison.Ordinal);
        Assert.Contains("--https-port 8443", message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_address_of_another_machine_points_at_bind() =>
        Assert.Contains("--bind", Explain(SocketError.AddressNotAvailable), StringComparison.Ordinal);

    [Fact]
    public async Task A_taken_port_stops_the_start_and_leaves_the_data_directory_free()
    {
        using var directory = new TempDirectory();
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var taken = ((IPEndPoint)other.LocalEndpoint).Port;

        var failure = await Assert.ThrowsAsync<StartFailureException>(
            () => TestHub.StartAsync(o => o.Listen.OperatorPort = taken, dataDirectory: directory.Path));

        Assert.Contains($"127.0.0.1:{taken} (Operator) is in use", failure.Message, StringComparison.Ordinal);
        Assert.Contains("--operator-port", failure.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(directory.PathOf(ConnectionFile.FileName)));
        await using var next = await TestHub.StartAsync(dataDirectory: directory.Path);
        Assert.True(next.Connection.Ports.Operator > 0);
    }

    private static string Explain(SocketError error) =>
        PortAdvice.Explain(new HubEndPoint(HubPort.Https, IPAddress.Loopback, 443), error, "/opt/dotnet/dotnet").Message;
}
