using System.Buffers;
using System.Runtime.InteropServices;
using Nave.EventLog.Format;

namespace Nave.EventLog.Writing;

/// <summary>
/// Records in the order they came, with their headers as they will lie on disk, until the commit thread sorts them into
/// a frame. Guarded by the writer's lock while open, owned by the commit thread while being written.
/// </summary>
internal sealed class OpenBatch(int partitions, int limitBytes)
{
    // Which partition a record is of, in front of it. Not part of the frame.
    private const int PrefixBytes = 4;

    /// <summary>Small enough not to waste memory on a quiet log, big enough that a busy one has few.</summary>
    private const int ChunkBytes = 128 << 10;

    private readonly List<Chunk> _chunks = [];
    private readonly HashSet<ICommitWaiter> _waiters = new(ReferenceEqualityComparer.Instance);
    private readonly RunTotals[] _totals = new RunTotals[partitions];
    private readonly List<int> _touched = [];
    private ICommitWaiter? _lastWaiter;
    private int _current;

    /// <summary>The batch's position, which becomes the frame's number.</summary>
    public long Number { get; private set; }

    public int Records { get; private set; }

    /// <summary>Records with their headers.</summary>
    public int Bytes { get; private set; }

    /// <summary>What the batch will take in the file.</summary>
    public long FrameBytes => FrameFormat.RoundUp(FrameFormat.HeaderBytes(_touched.Count) + (long)Bytes);

    /// <summary>Who waits for the batch by task. Created when somebody does.</summary>
    public TaskCompletionSource? Completion { get; private set; }

    /// <summary>Everyone to be told of the batch.</summary>
    public IReadOnlyCollection<ICommitWaiter> Waiters => _waiters;

    /// <summary>Starts over as the batch of this number. Keeps memory for a batch of the size that the last one had.</summary>
    public void Reset(long number)
    {
        if (_chunks.Count > 4 && _chunks.Count > 2 * (_current + 1))
        {
            _chunks.RemoveRange(_chunks.Count / 2, _chunks.Count - (_chunks.Count / 2));
        }

        _chunks.RemoveAll(chunk => chunk.Buffer.Length > ChunkBytes);
        foreach (ref var chunk in CollectionsMarshal.AsSpan(_chunks))
        {
            chunk.Used = 0;
        }

        foreach (var partition in _touched)
        {
            _totals[partition] = default;
        }

        _touched.Clear();
        _waiters.Clear();
        _lastWaiter = null;
        _current = 0;
        Completion = null;
        Number = number;
        Records = 0;
        Bytes = 0;
    }

    /// <summary>Whether a record of this length still fits. An empty batch takes any record.</summary>
    public bool HasRoom(int length) => Records == 0 || Bytes + length + RecordFormat.HeaderBytes <= limitBytes;

    public void Add(LogPartition partition, int index, in RecordParts record, int length, uint register, long sequence, long time)
    {
        var span = Take(PrefixBytes + RecordFormat.HeaderBytes + length);
        MemoryMarshal.Write(span, index);
        span = span[PrefixBytes..];
        RecordFormat.WriteHeader(span, length, register, partition, sequence, time);
        span = span[RecordFormat.HeaderBytes..];
        record.First.CopyTo(span);
        span = span[record.First.Length..];
        record.Second.CopyTo(span);
        span = span[record.Second.Length..];
        record.Third.CopyTo(span);
        record.Body.CopyTo(span[record.Third.Length..]);

        ref var total = ref _totals[index];
        if (total.Records == 0)
        {
            _touched.Add(index);
            total.FirstSequence = sequence;
            total.FirstTime = time;
        }

        total.Records++;
        total.Bytes += RecordFormat.HeaderBytes + length;
        total.LastTime = time;
        Records++;
        Bytes += RecordFormat.HeaderBytes + length;
    }

    /// <summary>Notes somebody to be told, once however often he comes.</summary>
    public void AddWaiter(ICommitWaiter waiter)
    {
        if (!ReferenceEquals(waiter, _lastWaiter))
        {
            _lastWaiter = waiter;
            _waiters.Add(waiter);
        }
    }

    public Task WaitAsync() => (Completion ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    /// <summary>Sorts the records into one run per partition behind the header of a frame, in a buffer of the shared pool.</summary>
    public CommittedFrame ToFrame(in SegmentIdentity segment, StreamTable streams)
    {
        _touched.Sort();
        Span<FrameRun> runs = _touched.Count <= 32 ? stackalloc FrameRun[_touched.Count] : new FrameRun[_touched.Count];
        var headerBytes = FrameFormat.HeaderBytes(_touched.Count);
        var offset = headerBytes;
        for (var i = 0; i < runs.Length; i++)
        {
            ref var total = ref _totals[_touched[i]];
            runs[i] = new FrameRun(
                streams[_touched[i]], total.Records, total.Bytes, total.FirstSequence, total.FirstTime, total.LastTime);
            total.Target = offset;
            offset += total.Bytes;
        }

        var frameBytes = (int)FrameFormat.RoundUp(offset);
        var buffer = ArrayPool<byte>.Shared.Rent(frameBytes);
        FrameFormat.WriteHeader(buffer, segment, Number, offset - headerBytes, runs);
        CopyRecords(buffer);
        buffer.AsSpan(offset, frameBytes - offset).Clear();
        return new CommittedFrame(buffer, frameBytes, Number, [.. _touched], runs.ToArray(), headerBytes);
    }

    private void CopyRecords(Span<byte> target)
    {
        foreach (ref var chunk in CollectionsMarshal.AsSpan(_chunks))
        {
            var source = chunk.Buffer.AsSpan(0, chunk.Used);
            while (!source.IsEmpty)
            {
                ref var total = ref _totals[MemoryMarshal.Read<int>(source)];
                source = source[PrefixBytes..];
                var bytes = RecordFormat.HeaderBytes + RecordFormat.ReadLength(source);
                source[..bytes].CopyTo(target[total.Target..]);
                total.Target += bytes;
                source = source[bytes..];
            }
        }
    }

    private Span<byte> Take(int bytes)
    {
        while (_current < _chunks.Count && _chunks[_current].Buffer.Length - _chunks[_current].Used < bytes)
        {
            _current++;
        }

        if (_current == _chunks.Count)
        {
            _chunks.Add(new Chunk { Buffer = GC.AllocateUninitializedArray<byte>(Math.Max(ChunkBytes, bytes)) });
        }

        ref var chunk = ref CollectionsMarshal.AsSpan(_chunks)[_current];
        var span = chunk.Buffer.AsSpan(chunk.Used, bytes);
        chunk.Used += bytes;
        return span;
    }

    private struct Chunk
    {
        public byte[] Buffer;
        public int Used;
    }

    private struct RunTotals
    {
        public int Records;
        public int Bytes;
        public int Target;
        public long FirstSequence;
        public long FirstTime;
        public long LastTime;
    }
}
