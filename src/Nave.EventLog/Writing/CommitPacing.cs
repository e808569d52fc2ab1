namespace Nave.EventLog.Writing;

/// <summary>
/// Decides how long a batch may wait for company before it is written. The sync under way is the batching window; beyond
/// it, waiting pays only when records come often and each batch holds few of them, so that many wake-ups become one.
/// It hurts clients that send the next record after the acknowledgement of the last: then the wait brings no company,
/// which is noticed, and waiting is left alone for a while. Used by the commit thread only.
/// </summary>
internal sealed class CommitPacing(TimeSpan maxLinger)
{
    /// <summary>A batch of so many records is worth its sync.</summary>
    private const int SmallBatchRecords = 16;

    /// <summary>Records a second from which on they come often: some in every linger.</summary>
    private const double FrequentRecordsPerSecond = 4_000;

    /// <summary>After a linger that brought nothing, so many batches go without; then twice as many, and so on.</summary>
    private const int FirstBackOff = 64;
    private const int LastBackOff = 8192;

    private double _recordsPerSecond;
    private double _recordsPerBatch; // Without a linger: what the sync alone gathers.
    private int _backOff = FirstBackOff;
    private int _skip;
    private bool _lingered;

    /// <summary>How long to wait before this batch is taken; zero for not at all.</summary>
    public TimeSpan Linger(int records)
    {
        _lingered = false;
        if (maxLinger == TimeSpan.Zero || records >= SmallBatchRecords || _recordsPerSecond < FrequentRecordsPerSecond)
        {
            return TimeSpan.Zero;
        }

        if (_skip > 0)
        {
            _skip--;
            return TimeSpan.Zero;
        }

        _lingered = true;
        return maxLinger;
    }

    /// <summary>Learns from a batch that is on disk.</summary>
    /// <param name="records">How many it held.</param>
    /// <param name="sinceLast">Time since the one before was.</param>
    public void Committed(int records, TimeSpan sinceLast)
    {
        var seconds = Math.Max(sinceLast.TotalSeconds, 1e-6);
        _recordsPerSecond += (records / seconds - _recordsPerSecond) * Math.Min(1, seconds / 0.1);
        if (!_lingered)
        {
            _recordsPerBatch += (records - _recordsPerBatch) / 16;
        }
        else if (records < 2 * _recordsPerBatch)
        {
            _skip = _backOff;
            _backOff = Math.Min(_backOff * 2, LastBackOff);
        }
        else
        {
            _backOff = FirstBackOff;
        }
    }
}
