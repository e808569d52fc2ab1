using System.CommandLine;
using System.Net;

namespace Nave.Bench.Floor;

/// <summary><c>floor</c>: serves until it is stopped; the first line of output is the end point.</summary>
internal static class FloorCommand
{
    public static Command Create()
    {
        var port = new Option<int>("--port") { Description = "port to listen on; 0: any free one" };
        var bind = new Option<string>("--bind")
        {
            Description = "IPv4 address to listen on",
            DefaultValueFactory = _ => "127.0.0.1",
        };
        var command = new Command("floor", "the bare loop: reads MQTT packets, acknowledges them, does nothing else")
        {
            port, bind,
        };
        command.SetAction((parsed, stopping) =>
        {
            var local = new IPEndPoint(IPAddress.Parse(parsed.GetValue(bind)!), parsed.GetValue(port));
            using var server = new FloorServer(local);
            Console.WriteLine($"{local.Address}:{server.Port}");
            server.Run(stopping);
            return Task.FromResult(0);
        });
        return command;
    }
}
