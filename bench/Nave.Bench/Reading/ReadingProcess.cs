using Nave.Bench.Amqp;
using Nave.Bench.Scenarios;

namespace Nave.Bench.Reading;

/// <summary>Talks to a reading role that runs as a process.</summary>
internal static class ReadingProcess
{
    /// <summary>Waits until its links are attached.</summary>
    public static async Task WaitReadyAsync(ChildProcess reader, CancellationToken stopping)
    {
        if (await reader.Output.ReadLineAsync(stopping) is not AmqpReadCommand.Ready)
        {
            throw new PeerUnavailableException($"the readers could not begin: {reader.LastErrors}");
        }
    }

    /// <summary>Says where the partitions end.</summary>
    public static Task TellAsync(ChildProcess reader, string ends, CancellationToken stopping) =>
        reader.WriteLineAsync(ends, stopping);
}
