using System.Buffers;
using System.Buffers.Binary;
using Amqp;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// Settled deliveries of one link, encoded as whole TRANSFER frames one behind the other, so that the engine's locks, objects
/// and queue are paid once for many (<see cref="EngineSession"/>). A delivery that needs more than one frame has no place here.
/// </summary>
/// <param name="channel">The session's.</param>
/// <param name="handle">The link's.</param>
/// <param name="maxFrameBytes">The longest frame that the peer takes.</param>
/// <param name="onTaken">Told of the bytes that <see cref="Take"/> takes out.</param>
internal sealed class TransferBatch(ushort channel, uint handle, uint maxFrameBytes, Action<int> onTaken) : IBufferWriter<byte>
{
    // Enough that what is paid per batch no longer counts; a message of the usual size fills a part of it.
    private const int FullBytes = 32 * 1024;
    private const int ArrayBytes = 64 * 1024;

    // A TRANSFER with handle, delivery id, tag of four bytes, format 0, settled (AMQP 1.0 part 2.7.5).
    private const int HeadBytes = AmqpFrame.HeaderBytes + 24;
    private const int DeliveryIdAt = AmqpFrame.HeaderBytes + 12;
    private const int TagAt = DeliveryIdAt + 6;

    private readonly byte[] _head = NewHead(channel, handle);
    private byte[]? _bytes;
    private int _length;
    private int _frameAt;

    /// <summary>Whole frames in it.</summary>
    public int Count { get; private set; }

    /// <summary>Whether another frame should be added before what is here is sent.</summary>
    public bool HasRoom => _length < FullBytes;

    /// <summary>Forgets what was not sent, and keeps no memory for it.</summary>
    public void Clear()
    {
        (_length, Count) = (0, 0);
        if (_bytes is not null)
        {
            ArrayPool<byte>.Shared.Return(_bytes);
            _bytes = null;
        }
    }

    /// <summary>Begins a frame; the message is what is written until <see cref="TryEndFrame"/>.</summary>
    public void BeginFrame()
    {
        _frameAt = _length;
        _head.CopyTo(GetSpan(HeadBytes));
        Advance(HeadBytes);
    }

    /// <summary>Ends the frame.</summary>
    /// <returns>False when it is longer than the peer takes, and not in the batch.</returns>
    public bool TryEndFrame()
    {
        var bytes = _length - _frameAt;
        if (bytes > maxFrameBytes)
        {
            _length = _frameAt;
            return false;
        }

        BinaryPrimitives.WriteInt32BigEndian(_bytes.AsSpan(_frameAt), bytes);
        Count++;
        return true;
    }

    /// <summary>Takes the first frames out, numbered from this delivery id on; the batch is empty then.</summary>
    public Frames Take(int count, uint firstDeliveryId)
    {
        var at = 0;
        for (var i = 0; i < count; i++)
        {
            var frame = _bytes.AsSpan(at);
            BinaryPrimitives.WriteUInt32BigEndian(frame[DeliveryIdAt..], unchecked(firstDeliveryId + (uint)i));
            BinaryPrimitives.WriteUInt32BigEndian(frame[TagAt..], unchecked(firstDeliveryId + (uint)i));
            at += BinaryPrimitives.ReadInt32BigEndian(frame);
        }

        var frames = new Frames(_bytes!, at);
        _bytes = null;
        Clear();
        onTaken(at);
        return frames;
    }

    /// <inheritdoc/>
    public void Advance(int count) => _length += count;

    /// <inheritdoc/>
    public Span<byte> GetSpan(int sizeHint = 0)
    {
        if (_bytes is null || _bytes.Length - _length < Math.Max(sizeHint, 1))
        {
            Grow(sizeHint);
        }

        return _bytes.AsSpan(_length);
    }

    /// <inheritdoc/>
    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        _ = GetSpan(sizeHint);
        return _bytes.AsMemory(_length);
    }

    // All of it but the frame's size, the delivery id and the tag.
    private static byte[] NewHead(ushort channel, uint handle)
    {
        var head = new byte[HeadBytes];
        head[4] = 2; // Data offset, in words of four bytes.
        BinaryPrimitives.WriteUInt16BigEndian(head.AsSpan(6), channel);
        ReadOnlySpan<byte> performative = [0x00, 0x53, (byte)Performative.Transfer, 0xc0, 19, 5];
        performative.CopyTo(head.AsSpan(AmqpFrame.HeaderBytes));
        head[14] = 0x70;
        BinaryPrimitives.WriteUInt32BigEndian(head.AsSpan(15), handle);
        head[DeliveryIdAt - 1] = 0x70;
        head[TagAt - 2] = 0xa0;
        head[TagAt - 1] = 4;
        head[TagAt + 4] = 0x43; // Message format 0.
        head[TagAt + 5] = 0x41; // Settled.
        return head;
    }

    private void Grow(int sizeHint)
    {
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(ArrayBytes, (_length + sizeHint) * 2));
        if (_bytes is not null)
        {
            _bytes.AsSpan(0, _length).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_bytes);
        }

        _bytes = larger;
    }

    /// <summary>Frames on their way through the engine's queue. Who has copied them gives the memory back.</summary>
    internal sealed class Frames(byte[] bytes, int length) : ByteBuffer(bytes, 0, length, bytes.Length)
    {
        /// <summary>Gives the memory back; none of it is used after that.</summary>
        public void Return() => ArrayPool<byte>.Shared.Return(Buffer);
    }
}
