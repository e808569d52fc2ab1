using Nave.TestKit;

namespace Nave.EventLog.Tests.Contract;

/// <summary>The embedded log in segments that hold a few records each, so that every story crosses many of them.</summary>
public sealed class EmbeddedLogInSmallSegmentsContractTests : EventLogContractTests
{
    private readonly SimulatedDisk _disk = new();
    private readonly StrictLogger _logger = new();

    protected override async Task<IEventLog> OpenAsync(IReadOnlyList<LogStream> streams) => await EmbeddedEventLog.OpenAsync(
        new EventLogOptions { Streams = streams, SegmentBytes = 64 << 10, QuickSegmentBytes = 8 << 10, TailBytes = 4096 },
        _disk,
        Time,
        _logger);

    protected override Task FinishAsync()
    {
        _logger.ThrowIfUnexpected();
        return Task.CompletedTask;
    }
}

/// <summary>The embedded log as it is shipped, on the real disk.</summary>
public sealed class EmbeddedLogContractTests : EventLogContractTests
{
    private readonly string _folder = Directory.CreateTempSubdirectory("nave-log-").FullName;
    private readonly StrictLogger _logger = new();

    protected override async Task<IEventLog> OpenAsync(IReadOnlyList<LogStream> streams) => await EmbeddedEventLog.OpenAsync(
        new EventLogOptions { Streams = streams, QuickSegmentBytes = 2 << 20, ReserveBytes = 0 }, new LogDirectory(_folder), Time, _logger);

    protected override Task FinishAsync()
    {
        Directory.Delete(_folder, recursive: true);
        _logger.ThrowIfUnexpected();
        return Task.CompletedTask;
    }
}
