using System.Buffers.Binary;
using RocksDbSharp;

namespace Nave.Bench.LogEngines;

/// <summary>RocksDB with its defaults: a WriteBatch for what gathered, its write-ahead log synced; the key is a counter.</summary>
internal sealed class RocksDbSink : IBatchSink
{
    private readonly RocksDb _db;
    private readonly WriteOptions _options = new WriteOptions().SetSync(true);
    private long _key;

    public RocksDbSink(string directory) =>
        _db = RocksDb.Open(new DbOptions().SetCreateIfMissing(true), Path.Combine(directory, "rocksdb"));

    public void Commit(RecordsToCommit records)
    {
        using var batch = new WriteBatch();
        Span<byte> key = stackalloc byte[8];
        for (var bytes = records.Bytes; bytes.Length > 0; bytes = bytes[records.RecordBytes..])
        {
            BinaryPrimitives.WriteInt64BigEndian(key, _key++);
            batch.Put(key, bytes[..records.RecordBytes]);
        }

        _db.Write(batch, _options);
    }

    public void Dispose() => _db.Dispose();
}
