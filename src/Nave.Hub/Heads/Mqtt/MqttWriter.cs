using System.Buffers;
using System.IO.Pipelines;
using Nave.Hub.Devices;
using Nave.Mqtt;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>
/// What is sent to one client. Writers (the connection's loop, the work item of a commit) put packets into a buffer
/// under a short lock and ask for a flush; one flush is under way at a time, and takes with it what has gathered
/// meanwhile. Nothing here blocks. Any thread may call.
/// </summary>
/// <remarks>
/// The buffer of its own is needed since a pipe over a TLS stream must not be written to while it is being flushed.
/// Its size is bounded by who fills it: the loop stops reading while <see cref="IsCongested"/>, and acknowledgements
/// that are still to come are bounded by <see cref="AckQueue"/>. When the transport fails, the channel is closed.
/// </remarks>
internal sealed class MqttWriter(PipeWriter output, MqttChannel channel, int maxUnsentBytes)
{
    private readonly Lock _lock = new();
    private StagingBuffer _staged;
    private bool _isFlushing;

    // Nothing can be sent any more. "Flushing" is then true as well, so that nobody tries.
    private bool _isBroken;
    private TaskCompletionSource? _room;
    private TaskCompletionSource? _idle;

    /// <summary>Whether the client leaves more unread than it should: read nothing more from it.</summary>
    public bool IsCongested => UnsentBytes > maxUnsentBytes;

    /// <summary>What has gathered since the flush under way began.</summary>
    public int UnsentBytes
    {
        get
        {
            lock (_lock)
            {
                return _staged.Length;
            }
        }
    }

    public void ConnAck(ConnectReturnCode code, bool sessionPresent)
    {
        lock (_lock)
        {
            ConnAckPacket.Write(_staged.Output, code, sessionPresent);
        }
    }

    public void ConnAck(ConnAckPacket packet, MqttVersion version)
    {
        lock (_lock)
        {
            packet.Write(_staged.Output, version);
        }
    }

    public void PubAcks(ReadOnlySpan<ushort> packetIds)
    {
        lock (_lock)
        {
            if (_isBroken)
            {
                return; // A commit that comes after the end.
            }

            var output = _staged.Output;
            var bytes = output.GetSpan(packetIds.Length * AckPacket.ShortBytes);
            foreach (var packetId in packetIds)
            {
                AckPacket.WritePubAck(bytes, packetId);
                bytes = bytes[AckPacket.ShortBytes..];
            }

            output.Advance(packetIds.Length * AckPacket.ShortBytes);
        }
    }

    public void SubAck(ushort packetId, IReadOnlyList<ReasonCode> granted)
    {
        lock (_lock)
        {
            new SubAckPacket { PacketId = packetId, Reasons = granted }.Write(_staged.Output, MqttVersion.V311);
        }
    }

    public void UnsubAck(ushort packetId)
    {
        lock (_lock)
        {
            new UnsubAckPacket { PacketId = packetId }.Write(_staged.Output, MqttVersion.V311);
        }
    }

    public void PingResponse()
    {
        lock (_lock)
        {
            PingPacket.WriteResponse(_staged.Output);
        }
    }

    /// <summary>A message at QoS 0.</summary>
    public void Publish(ReadOnlySpan<byte> topic, ReadOnlyMemory<byte> payload)
    {
        lock (_lock)
        {
            if (_isBroken)
            {
                return;
            }

            new PublishPacket { Topic = topic, Payload = new ReadOnlySequence<byte>(payload) }
                .Write(_staged.Output, MqttVersion.V311);
        }
    }

    /// <summary>A message at QoS 1.</summary>
    public void Publish(ReadOnlySpan<byte> topic, ReadOnlyMemory<byte> payload, ushort packetId, bool isRedelivery)
    {
        lock (_lock)
        {
            if (_isBroken)
            {
                return; // A command that comes after the end: its lock goes back with the session.
            }

            new PublishPacket { Topic = topic, Payload = new ReadOnlySequence<byte>(payload), Qos = 1, PacketId = packetId, Dup = isRedelivery }
                .Write(_staged.Output, MqttVersion.V311);
        }
    }

    /// <summary>Sends what is there; does not wait for it.</summary>
    public void Flush()
    {
        lock (_lock)
        {
            if (_isFlushing || _staged.Length is 0)
            {
                return;
            }

            _isFlushing = true;
        }

        // Completed already in the usual case, and then it allocates nothing. Never faults; CompleteAsync waits for it.
        _ = FlushStagedAsync();
    }

    /// <summary>Completes when the client has read enough of what was sent.</summary>
    public async ValueTask WaitForRoomAsync(CancellationToken closing)
    {
        Task room;
        lock (_lock)
        {
            if (_staged.Length <= maxUnsentBytes || _isBroken)
            {
                return;
            }

            _room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            room = _room.Task;
        }

        await room.WaitAsync(closing);
    }

    /// <summary>Sends what is there and waits for it; what comes later is dropped, since the transport is about to go.</summary>
    /// <returns>False when the client did not take it in time.</returns>
    public async ValueTask<bool> CompleteAsync(TimeSpan timeout, TimeProvider time)
    {
        Flush();
        Task? idle = null;
        lock (_lock)
        {
            if (_isFlushing && !_isBroken)
            {
                _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                idle = _idle.Task;
            }
        }

        try
        {
            await (idle ?? Task.CompletedTask).WaitAsync(timeout, time);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
        finally
        {
            lock (_lock)
            {
                _isBroken = true;
                _isFlushing = true;
            }
        }
    }

    private async Task FlushStagedAsync()
    {
        while (TryTake(out var bytes))
        {
            if (!await SendAsync(bytes))
            {
                Break();
                return;
            }
        }
    }

    // Ends the flush where nothing is left to be sent.
    private bool TryTake(out ArraySegment<byte> bytes)
    {
        TaskCompletionSource? room;
        TaskCompletionSource? idle = null;
        lock (_lock)
        {
            bytes = _staged.Take();
            (room, _room) = (_room, null);
            if (bytes.Count is 0)
            {
                _isFlushing = false;
                (idle, _idle) = (_idle, null);
            }
        }

        room?.TrySetResult();
        idle?.TrySetResult();
        return bytes.Count > 0;
    }

    /// <returns>False when there is nobody to send to any more.</returns>
    private async ValueTask<bool> SendAsync(ArraySegment<byte> bytes)
    {
        try
        {
            // In one step: a flush that outlasts the connection then meets a pipe that takes nothing, and holds no memory
            // of it that has gone back meanwhile.
            var result = await output.WriteAsync(bytes);
            StagingBuffer.Return(bytes);
            return !result.IsCompleted && !result.IsCanceled;
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            // The transport is gone under us.
            return false;
        }
    }

    private void Break()
    {
        TaskCompletionSource? room;
        TaskCompletionSource? idle;
        lock (_lock)
        {
            _isBroken = true;
            (room, _room) = (_room, null);
            (idle, _idle) = (_idle, null);
        }

        room?.TrySetResult();
        idle?.TrySetResult();
        channel.Close(CloseReason.PeerClosed);
    }
}
