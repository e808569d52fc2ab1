namespace Nave.Bench.Scenarios;

/// <summary>What <c>bench million</c> reached, and what ended it.</summary>
/// <param name="Registered">Devices in the hub.</param>
/// <param name="Held">Connections that were open at once and still were at the end.</param>
/// <param name="EndedBy">Why there are no more.</param>
/// <param name="Tracked">Devices by heartbeat state, as the hub's own metrics have them at the end.</param>
/// <param name="ConnectsPerSecond">Over all steps, registration not counted.</param>
/// <param name="ServerBytesBefore">Resident memory of the hub with all devices registered and none connected.</param>
/// <param name="ServerBytesEach">Its growth by a connection.</param>
/// <param name="KernelBytesEach">Growth of the kernel's slab and TCP buffers by a connection: both ends, as both are on this machine. Null where the kernel does not tell.</param>
/// <param name="MachineBytesEach">Fall of MemAvailable by a connection: hub, kernel and generators together.</param>
internal sealed record MillionReport(
    DateTimeOffset StartedAt,
    IReadOnlyList<string> Void,
    MachineReport Machine,
    DiskReport Disk,
    string Version,
    IReadOnlyDictionary<string, string> Settings,
    IReadOnlyList<Demand> Demands,
    int Registered,
    int Held,
    string EndedBy,
    IReadOnlyDictionary<string, long> Tracked,
    double ConnectsPerSecond,
    double ServerCpuMillisecondsPerConnect,
    long ServerBytesBefore,
    double ServerBytesEach,
    double? KernelBytesEach,
    double MachineBytesEach,
    IReadOnlyList<MillionStep> Steps) : IScenarioResult;

/// <summary>Where the run was after a step.</summary>
internal sealed record MillionStep(int Held, double ConnectsPerSecond, long ServerBytes, long? KernelBytes, long AvailableBytes);
