using System.CommandLine;
using System.Text.Json;
using Nave.Bench.Figures;
using Nave.Bench.Load;

namespace Nave.Bench.Amqp;

/// <summary>What both AMQP roles are told: where the server is, who connects, and for how long.</summary>
internal sealed class ClientOptions
{
    private readonly Option<int> _port = new("--port") { Description = "plain AMQP port on 127.0.0.1", Required = true };
    private readonly Option<string?> _credentials = new("--credentials") { Description = "file of JSON lines with id, username and password, taken in turn; left out: no SASL" };
    private readonly Option<int?> _serverPid = new("--server-pid") { Description = "process whose CPU to read" };
    private readonly Option<double> _warmUp = new("--warm-up") { Description = "seconds before measuring", DefaultValueFactory = _ => 1 };
    private readonly Option<double> _duration = new("--duration") { Description = "seconds measured", DefaultValueFactory = _ => 3 };

    /// <summary>Completes a role's command: these options, and the figures on standard output.</summary>
    public Command Complete(Command command, Func<ParseResult, TimeProvider, RunFigures> measure)
    {
        foreach (var option in (Option[])[_port, _credentials, _serverPid, _warmUp, _duration])
        {
            command.Options.Add(option);
        }

        command.SetAction((parsed, _) =>
        {
            Console.WriteLine(JsonSerializer.Serialize(measure(parsed, TimeProvider.System), BenchJson.Lines.RunFigures));
            return Task.FromResult(0);
        });
        return command;
    }

    public int Port(ParseResult parsed) => parsed.GetValue(_port);

    public int? ServerPid(ParseResult parsed) => parsed.GetValue(_serverPid);

    public TimeSpan WarmUp(ParseResult parsed) => TimeSpan.FromSeconds(parsed.GetValue(_warmUp));

    public TimeSpan Duration(ParseResult parsed) => TimeSpan.FromSeconds(parsed.GetValue(_duration));

    /// <summary>Who connects as the client of that number.</summary>
    public Func<int, DeviceCredential?> Credentials(ParseResult parsed)
    {
        if (parsed.GetValue(_credentials) is not { } file)
        {
            return _ => null;
        }

        var all = DeviceCredential.ReadAll(file);
        return number => all[number % all.Count];
    }

    /// <summary>How that one logs in.</summary>
    public static AmqpLogin? LoginOf(DeviceCredential? credential) =>
        credential is { Username: { } user, Password: { } password } ? new AmqpLogin(user, password) : null;
}
