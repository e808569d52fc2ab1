using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using Nave.Hub.Heads.Amqp;

namespace Nave.Hub.Tests.Harness;

/// <summary>An AMQP peer made of bytes: says exactly what the test wants said, right or wrong.</summary>
internal sealed class RawAmqp : IAsyncDisposable
{
    public static readonly byte[] AmqpHeader = [.. "AMQP"u8, 0, 1, 0, 0];
    public static readonly byte[] SaslHeader = [.. "AMQP"u8, 3, 1, 0, 0];

    private readonly TcpClient _client = new() { NoDelay = true };

    private NetworkStream? _stream;

    private RawAmqp()
    {
    }

    private NetworkStream Stream => _stream ??= _client.GetStream();

    public static async Task<RawAmqp> ConnectAsync(AmqpServer server, params byte[][] greeting)
    {
        var peer = new RawAmqp();
        await peer._client.ConnectAsync("127.0.0.1", server.Port);
        foreach (var part in greeting)
        {
            await peer.SendAsync(part);
        }

        return peer;
    }

    /// <summary>Connects without SASL, opens, and reads the server's header and OPEN.</summary>
    public static async Task<RawAmqp> OpenAsync(AmqpServer server, uint? idleMilliseconds = null, uint? maxFrame = null, string host = "127.0.0.1")
    {
        var peer = await ConnectAsync(server, AmqpHeader, Open(idleMilliseconds, maxFrame, host));
        Assert.Equal(AmqpHeader, await peer.ReadAsync(8));
        return peer;
    }

    // Values.
    public static byte[] Null => [0x40];

    public static byte[] True => [0x41];

    public static byte[] UInt(uint value) => [0x70, .. BigEndian(value)];

    public static byte[] Text(string value) => [0xb1, .. BigEndian((uint)Encoding.UTF8.GetByteCount(value)), .. Encoding.UTF8.GetBytes(value)];

    public static byte[] Symbol(string value) => [0xa3, (byte)value.Length, .. Encoding.ASCII.GetBytes(value)];

    public static byte[] Binary(byte[] value) => [0xb0, .. BigEndian((uint)value.Length), .. value];

    public static byte[] Described(byte code, params byte[][] fields) => [0x00, 0x53, code, .. List(fields)];

    public static byte[] List(params byte[][] fields)
    {
        var body = fields.SelectMany(field => field).ToArray();
        return [0xd0, .. BigEndian((uint)body.Length + 4), .. BigEndian((uint)fields.Length), .. body];
    }

    // Performatives.
    public static byte[] Open(uint? idleMilliseconds = null, uint? maxFrame = null, string host = "127.0.0.1") => Frame(
        0, Described(0x10, Text("raw"), Text(host), maxFrame is { } max ? UInt(max) : Null, Null, idleMilliseconds is { } idle ? UInt(idle) : Null));

    public static byte[] Begin(ushort channel = 0, uint incomingWindow = 2048) =>
        Frame(channel, Described(0x11, Null, UInt(0), UInt(incomingWindow), UInt(2048), UInt(255)));

    /// <summary>An ATTACH of a sender to the target, or of a receiver from the source.</summary>
    public static byte[] Attach(string name, uint handle, string? target = null, string? source = null, ushort channel = 0, byte[]? sndSettleMode = null) => Frame(
        channel,
        Described(
            0x12, Text(name), UInt(handle), source is null ? [0x42] : True, sndSettleMode ?? Null, Null,
            source is null ? Null : Described(0x28, Text(source)), target is null ? Null : Described(0x29, Text(target)),
            Null, Null, UInt(0)));

    public static byte[] Flow(uint handle, uint deliveryCount, uint credit, bool drain = false, ushort channel = 0, uint nextIncomingId = 0, uint incomingWindow = 2048) => Frame(
        channel,
        Described(
            0x13, UInt(nextIncomingId), UInt(incomingWindow), UInt(0), UInt(2048), UInt(handle), UInt(deliveryCount), UInt(credit), Null,
            drain ? True : [0x42]));

    public static byte[] Transfer(uint handle, uint deliveryId, byte[] payload, bool more = false, bool aborted = false, ushort channel = 0) => Frame(
        channel,
        [.. Described(
            0x14, UInt(handle), UInt(deliveryId), Binary([]), UInt(0), [0x42], more ? True : [0x42], Null, Null, Null, aborted ? True : [0x42]),
            .. payload]);

    public static byte[] End(ushort channel = 0) => Frame(channel, Described(0x17));

    public static byte[] Close() => Frame(0, Described(0x18));

    /// <summary>A put-token request, encoded.</summary>
    public static byte[] PutToken(string token, string id = "1", string type = "servicebus.windows.net:sastoken")
    {
        byte[] map = [.. Text("operation"), .. Text("put-token"), .. Text("type"), .. Text(type), .. Text("name"), .. Text("sb://whatever/x")];
        return
        [
            .. Described(0x73, Text(id)),
            0x00, 0x53, 0x74, 0xd1, .. BigEndian((uint)map.Length + 4), .. BigEndian(6), .. map,
            0x00, 0x53, 0x77, .. Text(token),
        ];
    }

    public static byte[] Frame(ushort channel, byte[] body, byte type = 0)
    {
        var frame = new byte[8 + body.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, frame.Length);
        frame[4] = 2;
        frame[5] = type;
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(6), channel);
        body.CopyTo(frame, 8);
        return frame;
    }

    public async Task SendAsync(params byte[] bytes) => await Stream.WriteAsync(bytes);

    /// <summary>Reads so many bytes.</summary>
    public async Task<byte[]> ReadAsync(int count)
    {
        var bytes = new byte[count];
        using var late = new CancellationTokenSource(AmqpClient.Patience);
        await Stream.ReadExactlyAsync(bytes, late.Token);
        return bytes;
    }

    /// <summary>Reads the next frame: its performative's code and all its bytes as text, good enough to look for conditions.</summary>
    public async Task<RawFrame> ReadFrameAsync()
    {
        var header = await ReadAsync(8);
        var body = await ReadAsync(BinaryPrimitives.ReadInt32BigEndian(header) - 8);
        return new RawFrame(BinaryPrimitives.ReadUInt16BigEndian(header.AsSpan(6)), (Performative)(body.Length > 2 ? body[2] : 0), body);
    }

    /// <summary>Reads frames until one has the performative.</summary>
    public async Task<RawFrame> ReadUntilAsync(Performative performative)
    {
        while (true)
        {
            var frame = await ReadFrameAsync();
            if (frame.Performative == performative)
            {
                return frame;
            }
        }
    }

    /// <summary>Reads to the end of the stream; the rest as text.</summary>
    public async Task<string> ReadToEndAsync()
    {
        using var late = new CancellationTokenSource(AmqpClient.Patience);
        using var rest = new MemoryStream();
        try
        {
            await Stream.CopyToAsync(rest, late.Token);
        }
        catch (IOException)
        {
            // A reset is an end too.
        }

        return Encoding.Latin1.GetString(rest.ToArray());
    }

    /// <summary>Attaches to the token node and puts a token.</summary>
    /// <returns>The answer, as text.</returns>
    public async Task<string> AuthenticateAsync(string token)
    {
        await SendAsync([
            .. Begin(100), .. Attach("cbs-out", 0, target: "$cbs", channel: 100), .. Attach("cbs-in", 1, source: "$cbs", channel: 100),
            .. Flow(1, 0, 10, channel: 100), .. Transfer(0, 0, PutToken(token), channel: 100)]);
        return (await ReadUntilAsync(Performative.Transfer)).Text;
    }

    /// <summary>Puts another token on the links of <see cref="AuthenticateAsync"/>.</summary>
    public async Task<string> AuthenticateAgainAsync(string token)
    {
        await SendAsync(Transfer(0, 1, PutToken(token), channel: 100));
        return (await ReadUntilAsync(Performative.Transfer)).Text;
    }

    /// <summary>Sends nothing more.</summary>
    public void Finish()
    {
        _ = Stream;
        _client.Client.Shutdown(SocketShutdown.Send);
    }

    public ValueTask DisposeAsync()
    {
        _client.Dispose();
        return ValueTask.CompletedTask;
    }

    private static byte[] BigEndian(uint value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return bytes;
    }
}

/// <summary>A frame as it came.</summary>
internal sealed record RawFrame(ushort Channel, Performative Performative, byte[] Body)
{
    public string Text => Encoding.Latin1.GetString(Body);
}
