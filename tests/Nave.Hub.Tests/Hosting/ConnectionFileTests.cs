using System.Text.Json;
using Nave.Hub.Hosting;
using Nave.Hub.Tests.Harness;

namespace Nave.Hub.Tests.Hosting;

public sealed class ConnectionFileTests
{
    [Fact]
    public async Task It_is_there_while_the_hub_runs_and_only_for_its_owner()
    {
        using var directory = new TempDirectory();
        var path = directory.PathOf(ConnectionFile.FileName);
        await using (var hub = await TestHub.StartAsync(dataDirectory: directory.Path))
        {
            using var json = JsonDocument.Parse(await File.ReadAllTextAsync(path));
            Assert.Equal(Environment.ProcessId, json.RootElement.GetProperty("processId").GetInt32());
            Assert.True(Path.IsPathRooted(json.RootElement.GetProperty("caCertificate").GetString()));
            if (!OperatingSystem.IsWindows())
            {
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
            }

            Assert.Equal(hub.Connection.Ports, ConnectionFile.Find(directory.Path)!.Ports);
        }

        Assert.False(File.Exists(path));
    }

    [Fact]
    public void One_that_names_a_dead_process_is_no_hub()
    {
        using var directory = new TempDirectory();
        var file = Example() with { ProcessId = int.MaxValue };
        file.Write(directory.Path);

        Assert.Null(ConnectionFile.Find(directory.Path));
    }

    [Fact]
    public void The_plain_ports_are_named_only_where_they_are_on()
    {
        using var directory = new TempDirectory();

        Example().Write(directory.Path);

        using var json = JsonDocument.Parse(File.ReadAllText(directory.PathOf(ConnectionFile.FileName)));
        Assert.Equal(["mqtts", "amqps", "https", "operator"], json.RootElement.GetProperty("ports").EnumerateObject().Select(p => p.Name));
    }

    private static ConnectionFile Example() => new()
    {
        HostName = "localhost",
        ProcessId = Environment.ProcessId,
        CaCertificate = "/ca.pem",
        Events = "",
        Policies = new Dictionary<string, string>(),
        Ports = new ConnectionPorts { Mqtts = 1, Amqps = 2, Https = 3, Operator = 4 },
    };
}
