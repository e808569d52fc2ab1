namespace Nave.EventLog;

/// <summary>What a log has done since it was opened.</summary>
/// <param name="Records">Records committed.</param>
/// <param name="Bytes">Bytes written for them, headers and padding included.</param>
/// <param name="Syncs">Batches, each written and synced once.</param>
/// <param name="Failures">Batches refused because a write or sync failed.</param>
public readonly record struct LogStatistics(long Records, long Bytes, long Syncs, long Failures);
