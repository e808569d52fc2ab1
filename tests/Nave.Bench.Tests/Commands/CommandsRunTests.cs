using Nave.Bench.Commands;

namespace Nave.Bench.Tests.Commands;

public sealed class CommandsRunTests
{
    [Fact]
    public async Task A_small_run_accepts_delivers_and_settles_every_command()
    {
        var directory = Directory.CreateTempSubdirectory("nave-bench-test-");
        try
        {
            var report = await CommandsCommand.MeasureAsync(
                new CommandsPlan(Devices: 4, Queued: 3, PayloadBytes: 20, Clients: 2),
                program: null,
                directory.FullName,
                _ => { },
                TestContext.Current.CancellationToken);

            Assert.Equal(["accept", "deliver", "settle"], report.Phases.Select(phase => phase.Phase));
            Assert.All(report.Phases, phase => Assert.Equal((12, 0, null), (phase.Done, phase.Failed, phase.FirstError)));
            Assert.True(report.Memory.Before > 0 && report.Memory.Queued > 0);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }
}
