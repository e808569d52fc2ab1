using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Nave.Bench.Linux;
using Spectre.Console;

namespace Nave.Bench.Load;

/// <summary><c>load</c>: one run against any MQTT 3.1.1 server.</summary>
internal sealed class LoadCommand
{
    private static readonly TimeSpan AsLongAsItTakes = TimeSpan.FromDays(1000);

    private static readonly TimeSpan PatienceOfHolding = TimeSpan.FromMinutes(5); // A machine filled to its end may stall.

    private readonly Option<string> _host = Text("--host", "server name or IPv4 address", "127.0.0.1");
    private readonly Option<int> _port = Number("--port", "server port", 1883);
    private readonly Option<int> _connections = Number("--connections", "connections that publish", 100);
    private readonly Option<int> _first = Number("--first", "the device of the first connection, from 0", 0);
    private readonly Option<bool> _hold = new("--hold")
    {
        Description = "stays, once all are connected, until standard input ends; says \"connected\" and how many on standard output",
    };

    private readonly Option<int> _idle = Number("--idle", "further connections that only stay connected", 0);
    private readonly Option<int> _qos = Number("--qos", "0 or 1; with 0 a PINGREQ follows each window of messages", 1);
    private readonly Option<int> _payload = Number("--payload", "payload bytes", 256);
    private readonly Option<string?> _payloadFile = new("--payload-file") { Description = "file that holds the payload" };
    private readonly Option<int> _window = Number("--window", "unacknowledged publishes a connection", 10);
    private readonly Option<double> _warmUp = Seconds("--warm-up", "seconds before measuring", 2);
    private readonly Option<double> _duration = Seconds("--duration", "seconds measured", 3);
    private readonly Option<double> _drain = Seconds("--drain", "seconds that the last acknowledgements are waited for", 5);
    private readonly Option<double?> _rate = new("--rate")
    {
        Description = "messages a second over all connections, evenly spread, latency from the due time; "
            + "left out: as fast as acknowledgements come",
    };

    private readonly Option<bool> _churn = new("--churn")
    {
        Description = "connect, CONNACK, DISCONNECT and again on each connection, instead of publishing",
    };

    private readonly Option<bool> _tls = new("--tls") { Description = "TLS; without --ca nothing is checked" };
    private readonly Option<string?> _ca = new("--ca") { Description = "PEM file of the CA that the server must chain to" };
    private readonly Option<string?> _tlsVersion = new("--tls-version") { Description = "1.2 or 1.3 only" };
    private readonly Option<string> _id = Text("--id", "device id where no credentials file gives one", "bench-{n}");
    private readonly Option<string> _topic = Text("--topic", "topic", "devices/{id}/messages/events/");
    private readonly Option<string> _clientId = Text("--client-id", "client id", "{id}");
    private readonly Option<string?> _userName = new("--username") { Description = "user name ({id}, {n} are filled)" };
    private readonly Option<string?> _password = new("--password") { Description = "password ({id}, {n} are filled)" };
    private readonly Option<string?> _credentials = new("--credentials")
    {
        Description = "file of JSON lines with id, username and password, one a connection",
    };

    private readonly Option<string[]> _source = new("--source")
    {
        Description = "source addresses, taken in turn (127.0.0.2,127.0.0.3): more connections than one address has ports",
        AllowMultipleArgumentsPerToken = true,
    };

    private readonly Option<int> _keepAlive = Number("--keep-alive", "seconds; idle connections ping at half of it", 300);
    private readonly Option<int> _connectParallel = Number("--connect-parallel", "connects under way at once", 64);
    private readonly Option<int> _threads = Number("--threads", "threads of the generator", 1);
    private readonly Option<int?> _serverPid = new("--server-pid") { Description = "process whose CPU and memory to read" };
    private readonly Option<bool> _json = new("--json") { Description = "the result as JSON on standard output" };

    public static Command Create()
    {
        var options = new LoadCommand();
        var command = new Command("load", "drives an MQTT 3.1.1 server and reports what it acknowledged")
        {
            options._host, options._port, options._connections, options._idle, options._first, options._hold, options._qos, options._payload,
            options._payloadFile, options._window, options._warmUp, options._duration, options._drain, options._rate, options._churn, options._tls, options._ca,
            options._tlsVersion, options._id, options._topic, options._clientId, options._userName, options._password,
            options._credentials, options._source, options._keepAlive, options._connectParallel, options._threads,
            options._serverPid, options._json,
        };
        command.SetAction(options.RunAsync);
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed, CancellationToken stopping)
    {
        var errors = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        LoadOptions options;
        try
        {
            options = await ReadAsync(parsed, stopping);
        }
        catch (Exception e) when (e is FormatException or IOException or SocketException)
        {
            errors.MarkupLineInterpolated($"[red]{e.Message}[/]");
            return 2;
        }

        if (options.Problem is { } problem)
        {
            errors.MarkupLineInterpolated($"[red]{problem}[/]");
            return 2;
        }

        var asJson = parsed.GetValue(_json);
        var run = new LoadRun(options, TimeProvider.System);
        var running = run.RunAsync(asJson ? null : line => errors.MarkupLineInterpolated($"[grey]{line}[/]"), stopping);
        if (parsed.GetValue(_hold) && await Task.WhenAny(run.Connected, running) == run.Connected)
        {
            Console.WriteLine($"connected {await run.Connected}");
            await Console.In.ReadToEndAsync(stopping);
            run.End();
        }

        var report = await running;
        if (asJson)
        {
            Console.WriteLine(JsonSerializer.Serialize(report, BenchJson.Indented.LoadReport));
        }
        else
        {
            LoadReportView.Write(AnsiConsole.Console, report);
        }

        return report.Errors is 0 ? 0 : 1;
    }

    private async Task<LoadOptions> ReadAsync(ParseResult parsed, CancellationToken stopping)
    {
        var host = parsed.GetValue(_host)!;
        return new LoadOptions
        {
            Target = new IPEndPoint(await ResolveAsync(host, stopping), parsed.GetValue(_port)),
            Host = host,
            Connections = parsed.GetValue(_connections),
            First = parsed.GetValue(_first),
            IdleConnections = parsed.GetValue(_idle),
            Qos = parsed.GetValue(_qos),
            PayloadBytes = parsed.GetValue(_payload),
            Payload = parsed.GetValue(_payloadFile) is { } payload ? await File.ReadAllBytesAsync(payload, stopping) : null,
            Window = parsed.GetValue(_window),
            WarmUp = TimeSpan.FromSeconds(parsed.GetValue(_warmUp)),
            Duration = parsed.GetValue(_hold) ? AsLongAsItTakes : TimeSpan.FromSeconds(parsed.GetValue(_duration)),
            Drain = TimeSpan.FromSeconds(parsed.GetValue(_drain)),
            Rate = parsed.GetValue(_rate),
            Churn = parsed.GetValue(_churn),
            Tls = parsed.GetValue(_tls),
            CaFile = parsed.GetValue(_ca),
            TlsVersion = parsed.GetValue(_tlsVersion) switch
            {
                null => null,
                "1.2" => OpenSsl.Tls12,
                "1.3" => OpenSsl.Tls13,
                var other => throw new FormatException($"the TLS version is 1.2 or 1.3, not {other}"),
            },
            Id = new Template(parsed.GetValue(_id)!),
            Topic = new Template(parsed.GetValue(_topic)!),
            ClientId = new Template(parsed.GetValue(_clientId)!),
            UserName = Optional(parsed.GetValue(_userName)),
            Password = Optional(parsed.GetValue(_password)),
            Credentials = parsed.GetValue(_credentials) is { } file ? DeviceCredential.ReadAll(file) : [],
            Sources = [.. (parsed.GetValue(_source) ?? []).SelectMany(one => one.Split(',')).Select(IPAddress.Parse)],
            KeepAliveSeconds = (ushort)Math.Clamp(parsed.GetValue(_keepAlive), 0, ushort.MaxValue),
            ConnectTimeout = parsed.GetValue(_hold) ? PatienceOfHolding : LoadOptions.UsualConnectTimeout,
            ConnectParallel = parsed.GetValue(_connectParallel),
            Threads = parsed.GetValue(_threads),
            ServerPid = parsed.GetValue(_serverPid),
        };
    }

    private static async Task<IPAddress> ResolveAsync(string host, CancellationToken stopping)
    {
        var addresses = await Dns.GetHostAddressesAsync(host, AddressFamily.InterNetwork, stopping);
        return addresses.Length > 0 ? addresses[0] : throw new FormatException($"{host} has no IPv4 address");
    }

    private static Template? Optional(string? text) => text is null ? null : new Template(text);

    private static Option<string> Text(string name, string description, string value) =>
        new(name) { Description = description, DefaultValueFactory = _ => value };

    private static Option<int> Number(string name, string description, int value) =>
        new(name) { Description = description, DefaultValueFactory = _ => value };

    private static Option<double> Seconds(string name, string description, double value) =>
        new(name) { Description = description, DefaultValueFactory = _ => value };
}
