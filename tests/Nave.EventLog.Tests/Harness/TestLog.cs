using System.Text;
using Microsoft.Extensions.Time.Testing;
using Nave.TestKit;

namespace Nave.EventLog.Tests.Harness;

/// <summary>A log in small segments on a simulated disk, whose background work is done where it arises.</summary>
public sealed class TestLog : IAsyncDisposable
{
    private static readonly DateTimeOffset Start = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private EmbeddedEventLog? _log;

    public SimulatedDisk Disk { get; init; } = new();

    public FakeTimeProvider Time { get; } = new(Start);

    public StrictLogger Logger { get; init; } = new();

    public EventLogOptions Options { get; set; } = new()
    {
        Streams = [new LogStream(0, "telemetry", 2)],
        SegmentBytes = 64 << 10,
        QuickSegmentBytes = 64 << 10,
        ReserveBytes = 0,
        TailBytes = 4096,
        MaxLinger = TimeSpan.Zero,
        WorkInline = true,
    };

    public EmbeddedEventLog Log => _log ?? throw new InvalidOperationException("Not open.");

    public IEnumerable<string> SegmentFiles => Disk.List().Where(name => name.EndsWith(".log", StringComparison.Ordinal));

    public async Task<EmbeddedEventLog> OpenAsync() => _log = await EmbeddedEventLog.OpenAsync(Options, Disk, Time, Logger);

    public async Task<EmbeddedEventLog> ReopenAsync()
    {
        await Log.DisposeAsync();
        return await OpenAsync();
    }

    /// <summary>Commits batches of 4 KB until the log has so many segments.</summary>
    public async Task FillSegmentsAsync(int segments, LogPartition partition = default)
    {
        while (SegmentFiles.Count() < segments)
        {
            await Log.CommitAsync(partition, Record(Log.GetState(partition).NextSequenceNumber));
        }
    }

    /// <summary>A record of 4,000 bytes that begins with its number.</summary>
    public static byte[] Record(long number)
    {
        var bytes = new byte[4000];
        new Random((int)number).NextBytes(bytes);
        Encoding.UTF8.GetBytes($"{number}:").CopyTo(bytes, 0);
        return bytes;
    }

    public async ValueTask DisposeAsync()
    {
        if (_log is not null)
        {
            await _log.DisposeAsync();
        }

        Logger.ThrowIfUnexpected();
    }
}
