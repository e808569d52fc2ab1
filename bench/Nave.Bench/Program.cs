using System.CommandLine;
using Nave.Bench.Amqp;
using Nave.Bench.Commands;
using Nave.Bench.Floor;
using Nave.Bench.Load;
using Nave.Bench.LogEngines;
using Nave.Bench.Reading;
using Nave.Bench.RoundTrips;
using Nave.Bench.Scenarios;
using Nave.Bench.Servers;

if (!OperatingSystem.IsLinux())
{
    await Console.Error.WriteLineAsync("The bench measures with Linux's epoll and /proc: it runs on Linux only.");
    return 1;
}

var root = new RootCommand("Measures Nave beside its peers and beside the floor, in one run.")
{
    // Scenarios.
    IngestCommand.Create(), LatencyCommand.Create(), SteadyCommand.Create(), ConnectionsCommand.Create(), MillionCommand.Create(),
    ReadCommand.Create(), AmqpScenarioCommand.Create(), LogCommand.Create(), RoundTripCommand.Create(),
    CommandsCommand.Create(), TwinsCommand.Create(), MethodsCommand.Create(), QueriesCommand.Create(), HeartbeatsCommand.Create(), TokensCommand.Create(), PskCommand.Create(),

    // The generator, and servers that scenarios start.
    LoadCommand.Create(), FloorCommand.Create(), KestrelCommand.Create(), MqttNetCommand.Create(), UnsyncedHubCommand.Create(),
    LogEngineCommand.Create(), MqttSubscriberCommand.Create(), AmqpSendCommand.Create(), AmqpReadCommand.Create(), AmqpNetLiteCommand.Create(),
};
var parsed = root.Parse(args);
if (parsed.Errors.Count > 0)
{
    foreach (var error in parsed.Errors)
    {
        await Console.Error.WriteLineAsync(error.Message);
    }

    return 2;
}

return await parsed.InvokeAsync();
