using System.Globalization;
using Nave.Bench.Amqp;
using Nave.Bench.Figures;
using Nave.Bench.Reading;
using Nave.Bench.Scenarios;
using Nave.Bench.Servers;

namespace Nave.Bench.Tests.Amqp;

public sealed class AmqpRolesTests : IDisposable
{
    private const int Partitions = 4;

    private readonly string _directory = Directory.CreateTempSubdirectory("nave-amqp-roles").FullName;

    [Fact]
    public async Task AMQPNetLites_listener_accepts_and_sends()
    {
        await using var peer = await StartedServer.StartAsync(
            AmqpNetLiteCommand.Name, port => Task.FromResult(ChildProcess.StartOwnServer(AmqpNetLiteCommand.Name, "--port", Text(port))), [], TimeProvider.System, CancellationToken.None);

        var sent = await OwnRole.MeasureAsync(
            [AmqpSendCommand.Name, "--port", Text(peer.Port), "--connections", "2", "--window", "5", "--warm-up", "0", "--duration", "0.5"], CancellationToken.None);
        await using var reader = ChildProcess.StartOwn(
            AmqpReadCommand.Name, "--port", Text(peer.Port), "--readers", "2", "--credit", "10", "--warm-up", "0", "--duration", "0.5");
        await ReadingProcess.WaitReadyAsync(reader, CancellationToken.None);
        var read = await OwnRole.ReadAsync(reader, CancellationToken.None);

        Assert.Equal(0, sent.Errors);
        Assert.InRange(sent.Values[AmqpFigures.Rate], 1, double.MaxValue);
        Assert.Null(read.FirstError?.Replace("events were missing or came twice", null, StringComparison.Ordinal) is { Length: > 0 } other ? other : null);
        Assert.InRange(read.Values[AmqpFigures.Events], 1, double.MaxValue);
    }

    [Fact]
    public async Task Each_reader_gets_everything_that_devices_sent_to_a_hub()
    {
        var peer = new NavePeer(program: null, isUnsynced: true);
        var setting = new PeerSetting(_directory, 2, Tls: false, MayInstall: false, TimeProvider.System);
        await using var hub = await peer.StartAsync(setting, CancellationToken.None);
        var port = Text(hub.Hub!.Ports.Amqp);

        var sent = await OwnRole.MeasureAsync(
            [
                AmqpSendCommand.Name, "--port", port, "--credentials", HubLogins.WriteDevices(hub, _directory),
                "--connections", "2", "--window", "20", "--warm-up", "0", "--duration", "0.5",
            ],
            CancellationToken.None);
        var ends = await PartitionEnds.ReadAsync(hub.Hub, Partitions);
        await using var reader = ChildProcess.StartOwn(
            AmqpReadCommand.Name, "--port", port, "--credentials", HubLogins.WriteReader(hub, _directory), "--readers", Text(2 * Partitions), "--partitions", Text(Partitions), "--to-end");
        await ReadingProcess.WaitReadyAsync(reader, CancellationToken.None);
        await ReadingProcess.TellAsync(reader, PartitionEnds.Line(ends), CancellationToken.None);
        var read = await OwnRole.ReadAsync(reader, CancellationToken.None);

        Assert.Equal((0, null), (sent.Errors, sent.FirstError));
        Assert.Equal((0, null), (read.Errors, read.FirstError));
        Assert.InRange(ends.Sum(), 1, long.MaxValue);
        Assert.Equal(2 * ends.Sum(), read.Values[AmqpFigures.Events]);
    }

    [Fact]
    public void Row_13_is_judged_by_both_rates()
    {
        var rows = FiguresRow.Of([
            Run("nave", AmqpScenarioCommand.Send, 130, 10), Run("amqpnetlite", AmqpScenarioCommand.Send, 100, 20), Run("nave over MQTT", AmqpScenarioCommand.Send, 300, 4),
            Run("nave", AmqpScenarioCommand.Read, 150, 2), Run("amqpnetlite", AmqpScenarioCommand.Read, 100, 6),
        ]);

        var demands = AmqpScenarioCommand.Judge(rows).ToArray();

        Assert.Equal([(true, false), (false, true)], demands.Select(demand => (demand.Must.IsMet!.Value, demand.Aim!.IsMet!.Value)));
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private static FiguresRun Run(string subject, string @case, double rate, double cpu) =>
        new(subject, @case, 1, new RunFigures(new Dictionary<string, double> { [AmqpFigures.Rate] = rate, [AmqpFigures.Cpu] = cpu }, 0));

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
