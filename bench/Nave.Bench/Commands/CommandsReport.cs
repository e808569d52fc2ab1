using Nave.Bench.Load;
using Nave.Bench.Scenarios;

namespace Nave.Bench.Commands;

/// <summary>Everything that the scenario measured, and where.</summary>
/// <param name="Void">Why the figures must not be used; empty when they may.</param>
internal sealed record CommandsReport(
    DateTimeOffset StartedAt,
    IReadOnlyList<string> Void,
    MachineReport Machine,
    DiskReport Disk,
    string Version,
    int Devices,
    int QueuedPerDevice,
    int PayloadBytes,
    int Clients,
    IReadOnlyList<PhaseReport> Phases,
    QueueMemory Memory) : IScenarioResult;

/// <summary>One operation, done to every command.</summary>
/// <param name="Phase">accept, deliver or settle.</param>
/// <param name="Done">How many succeeded.</param>
/// <param name="Failed">How many did not.</param>
/// <param name="FirstError">Why the first of these did not.</param>
/// <param name="OtherCores">Cores that neither server nor generator used: other work on the machine meanwhile.</param>
internal sealed record PhaseReport(
    string Phase,
    long Done,
    long Failed,
    string? FirstError,
    double Seconds,
    double PerSecond,
    LatencyReport Latency,
    double ServerCpuMicrosecondsEach,
    double GeneratorCpuMicrosecondsEach,
    double OtherCores);

/// <summary>Resident memory of the server, at rest, around the phases.</summary>
/// <param name="Before">Devices are registered, nothing is queued; the paths are warm.</param>
/// <param name="Queued">Everything is queued.</param>
/// <param name="Settled">Everything was delivered and completed.</param>
internal sealed record QueueMemory(long Before, long Queued, long Settled)
{
    /// <summary>What the queued commands have added.</summary>
    public long Added => Queued - Before;
}
