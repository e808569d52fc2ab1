using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using Nave.Mqtt;

namespace Nave.Hub.Tests.Harness;

/// <summary>
/// The other end of an MQTT connection: writes packets, or any bytes, into an in-memory pipe pair and expects what comes
/// back. A wait that fails says for what.
/// </summary>
internal sealed class MqttTestClient
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly Pipe _toServer;
    private readonly Pipe _toClient;

    public MqttTestClient(PipeOptions? toServer = null, PipeOptions? toClient = null)
    {
        _toServer = new Pipe(toServer ?? PipeOptions.Default);
        _toClient = new Pipe(toClient ?? PipeOptions.Default);
        ServerSide = new DuplexPipe(_toServer.Reader, _toClient.Writer);
    }

    /// <summary>
    /// A client whose bytes are handled by the thread that sends them: when a send is done, so is what it caused.
    /// </summary>
    public static MqttTestClient Inline(int unreadBytes = 64 * 1024)
    {
        PipeOptions Options(int threshold) => new(
            readerScheduler: PipeScheduler.Inline,
            writerScheduler: PipeScheduler.Inline,
            pauseWriterThreshold: threshold,
            resumeWriterThreshold: threshold / 2,
            useSynchronizationContext: false);
        return new MqttTestClient(Options(1024 * 1024), Options(unreadBytes));
    }

    /// <summary>What the head gets.</summary>
    public IDuplexPipe ServerSide { get; }

    /// <summary>What has come back and was not read yet.</summary>
    public PipeReader Incoming => _toClient.Reader;

    public PipeWriter Outgoing => _toServer.Writer;

    public async Task SendAsync(ReadOnlyMemory<byte> bytes) => await _toServer.Writer.WriteAsync(bytes);

    public Task SendAsync(Action<IBufferWriter<byte>> write)
    {
        var bytes = new ArrayBufferWriter<byte>();
        write(bytes);
        return SendAsync(bytes.WrittenMemory);
    }

    public Task SendConnectAsync(ConnectPacket packet) => SendAsync(packet.Write);

    public Task PublishAsync(string topic, string payload = "", byte qos = 1, ushort packetId = 1, bool retain = false, bool dup = false) =>
        SendAsync(output => new PublishPacket
        {
            Topic = Encoding.UTF8.GetBytes(topic),
            Payload = new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(payload)),
            Qos = qos,
            PacketId = qos is 0 ? (ushort)0 : packetId,
            Retain = retain,
            Dup = dup,
        }.Write(output, MqttVersion.V311));

    public Task SubscribeAsync(ushort packetId, params (string Filter, byte Qos)[] filters) =>
        SendAsync(output => new SubscribePacket
        {
            PacketId = packetId,
            Subscriptions = [.. filters.Select(filter => new Subscription(filter.Filter, filter.Qos))],
        }.Write(output, MqttVersion.V311));

    public Task UnsubscribeAsync(ushort packetId, params string[] filters) =>
        SendAsync(output => new UnsubscribePacket { PacketId = packetId, Filters = filters }.Write(output, MqttVersion.V311));

    public Task PingAsync() => SendAsync(PingPacket.WriteRequest);

    public Task DisconnectAsync() => SendAsync(output => default(DisconnectPacket).Write(output, MqttVersion.V311));

    /// <summary>The socket is gone without a goodbye.</summary>
    public void Drop() => _toServer.Writer.Complete();

    public Task<(ConnectReturnCode Code, bool SessionPresent)> ExpectConnAckAsync() => ExpectAsync(PacketType.ConnAck, frame =>
    {
        var packet = ConnAckPacket.Read(frame, MqttVersion.V311);
        return (packet.ReturnCode, packet.SessionPresent);
    });

    public async Task ExpectPubAckAsync(ushort packetId) =>
        Assert.Equal(packetId, await ExpectAsync(PacketType.PubAck, frame => AckPacket.Read(frame, MqttVersion.V311).PacketId));

    public Task<byte[]> ExpectSubAckAsync(ushort packetId) => ExpectAsync(PacketType.SubAck, frame =>
    {
        var packet = SubAckPacket.Read(frame, MqttVersion.V311);
        Assert.Equal(packetId, packet.PacketId);
        return packet.Reasons.Select(reason => (byte)reason).ToArray();
    });

    public async Task ExpectUnsubAckAsync(ushort packetId) =>
        Assert.Equal(packetId, await ExpectAsync(PacketType.UnsubAck, frame => UnsubAckPacket.Read(frame, MqttVersion.V311).PacketId));

    public Task ExpectPingResponseAsync() => ExpectAsync(PacketType.PingResp, _ => true);

    public Task<ReceivedPublish> ExpectPublishAsync() => ExpectAsync(PacketType.Publish, frame =>
    {
        var packet = PublishPacket.Read(frame, MqttVersion.V311);
        return new ReceivedPublish(Encoding.UTF8.GetString(packet.Topic), packet.Payload.ToArray(), packet.Qos);
    });

    /// <summary>One of the two: a packet id, or the topic of a message.</summary>
    public async Task<(ushort PacketId, string? Topic)> ExpectPubAckOrPublishAsync() =>
        await ExpectAsync<(ushort, string?)>(null, frame => frame.Type is PacketType.PubAck
            ? (AckPacket.Read(frame, MqttVersion.V311).PacketId, null)
            : ((ushort)0, Encoding.UTF8.GetString(PublishPacket.Read(frame, MqttVersion.V311).Topic)));

    /// <summary>The connection is closed, and nothing came before that.</summary>
    public async Task ExpectCloseAsync()
    {
        var rest = await ReadToEndAsync();
        Assert.True(rest.Length is 0, $"Expected the end, got {Convert.ToHexString(rest)}.");
    }

    /// <summary>What comes until the connection is closed.</summary>
    public async Task<byte[]> ReadToEndAsync()
    {
        while (true)
        {
            var read = await ReadAsync("the end");
            if (read.IsCompleted)
            {
                return read.Buffer.ToArray();
            }

            _toClient.Reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }

    /// <summary>Nothing has come that was not read.</summary>
    public void ExpectNothing()
    {
        if (_toClient.Reader.TryRead(out var read))
        {
            Assert.True(read.Buffer.IsEmpty, $"Expected nothing, got {Convert.ToHexString(read.Buffer.ToArray())}.");
            _toClient.Reader.AdvanceTo(read.Buffer.Start);
        }
    }

    private Task<T> ExpectAsync<T>(PacketType type, Func<MqttFrame, T> readPacket) => ExpectAsync((PacketType?)type, readPacket);

    private async Task<T> ExpectAsync<T>(PacketType? type, Func<MqttFrame, T> readPacket)
    {
        while (true)
        {
            var read = await ReadAsync(type?.ToString() ?? "a packet");
            var unread = read.Buffer;
            if (FrameReader.TryReadFrame(ref unread, int.MaxValue, out var frame))
            {
                Assert.Equal(type ?? frame.Type, frame.Type);
                var packet = readPacket(frame);
                _toClient.Reader.AdvanceTo(unread.Start);
                return packet;
            }

            Assert.False(read.IsCompleted, $"Expected {type}, the connection was closed.");
            _toClient.Reader.AdvanceTo(unread.Start, unread.End);
        }
    }

    private async Task<ReadResult> ReadAsync(string awaited)
    {
        try
        {
            return await _toClient.Reader.ReadAsync().AsTask().WaitAsync(Patience);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"Waited {Patience.TotalSeconds} s for {awaited}.");
        }
    }

    private sealed record DuplexPipe(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}

/// <summary>A PUBLISH that the hub sent.</summary>
internal sealed record ReceivedPublish(string Topic, byte[] Payload, int Qos);
