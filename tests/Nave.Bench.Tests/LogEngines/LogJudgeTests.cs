using Nave.Bench.Figures;
using Nave.Bench.LogEngines;

namespace Nave.Bench.Tests.LogEngines;

public sealed class LogJudgeTests
{
    [Fact]
    public void The_log_is_held_against_the_bare_file_and_RocksDB()
    {
        var rows = FiguresRow.Of([Run(LogEngineCommand.Nave, 800), Run(LogEngineCommand.File, 1000), Run(LogEngineCommand.RocksDb, 400)]);

        var demands = LogCommand.Judge(rows).ToArray();

        Assert.Equal(
            [(true, 0.8, 0.7), (false, 2, 3)],
            demands.Select(demand => (demand.Must.IsMet!.Value, demand.Must.Figure!.Value, demand.Must.Limit)));
        Assert.False(demands[0].Aim!.IsMet);
    }

    [Fact]
    public void Without_a_peer_nothing_is_said_to_be_met()
    {
        var demands = LogCommand.Judge(FiguresRow.Of([Run(LogEngineCommand.Nave, 800)])).ToArray();

        Assert.All(demands, demand => Assert.Null(demand.Must.IsMet));
        Assert.Equal(2, demands.Length);
    }

    private static FiguresRun Run(string engine, double rate) =>
        new(engine, "1000 in flight", 1, new RunFigures(new Dictionary<string, double> { [LogEngineCommand.Rate] = rate }, 0));
}
