using Nave.Bench.Load;

namespace Nave.Bench.LogEngines;

/// <summary>A closed loop: as many records as are asked for are under way, a committed one is followed by the next. One thread.</summary>
internal sealed class AppendLoop(ILogEngine engine, int recordBytes, int inFlight, TimeProvider time) : IDisposable
{
    private readonly CommitSignal _commits = new(time);
    private readonly (long Position, long At)[] _underWay = new (long, long)[inFlight];
    private readonly byte[] _record = NewRecord(recordBytes);
    private long _appended;
    private long _done;
    private (long Position, long At) _lastCommit;

    /// <summary>Appends for that long.</summary>
    /// <returns>How long each record took from its append to being durable.</returns>
    public LatencyHistogram Run(TimeSpan duration)
    {
        var latencies = new LatencyHistogram();
        var begun = time.GetTimestamp();
        while (time.GetElapsedTime(begun) < duration)
        {
            while (_appended - _done < inFlight)
            {
                var at = time.GetTimestamp();
                var position = engine.Append(_record, _commits);
                _underWay[_appended++ % inFlight] = (position, at);
            }

            Settle(latencies);
        }

        return latencies;
    }

    /// <summary>Waits until everything that was appended is durable.</summary>
    public void Drain()
    {
        var latencies = new LatencyHistogram();
        while (_done < _appended)
        {
            Settle(latencies);
        }
    }

    public void Dispose() => _commits.Dispose();

    private void Settle(LatencyHistogram latencies)
    {
        // A commit may be told of before its last record is noted here: that one is found with the commit last taken.
        if (_underWay[_done % inFlight].Position > _lastCommit.Position)
        {
            _lastCommit = _commits.Take();
        }

        while (_done < _appended && _underWay[_done % inFlight] is var record && record.Position <= _lastCommit.Position)
        {
            latencies.Record((long)time.GetElapsedTime(record.At, _lastCommit.At).TotalNanoseconds);
            _done++;
        }
    }

    private static byte[] NewRecord(int bytes)
    {
        var record = new byte[bytes];
        new Random(1).NextBytes(record); // Not zeros: they compress.
        return record;
    }
}
