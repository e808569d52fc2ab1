using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;
using Nave.Bench.Load;
using Nave.Bench.Mqtt;

namespace Nave.Bench.RoundTrips;

/// <summary>A device that takes each command and completes it at once, over MQTT 3.1.1 without TLS.</summary>
internal sealed class CommandDevice : IAsyncDisposable
{
    private const ushort KeepAliveSeconds = 600;
    private const int BufferBytes = 64 * 1024;
    private const byte PublishQos1 = 0x32;
    private const byte SubscribeAcknowledged = 0x90;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Socket _socket;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _subscribed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Channel<long> _arrivals = Channel.CreateUnbounded<long>();
    private readonly Task _reading;

    private CommandDevice(Socket socket, string id, TimeProvider time)
    {
        (_socket, Id, _time) = (socket, id, time);
        _reading = ReadAsync();
    }

    public string Id { get; }

    /// <summary>Connects and subscribes.</summary>
    public static async Task<CommandDevice> ConnectAsync(int port, DeviceCredential credential, TimeProvider time, CancellationToken stopping)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync("127.0.0.1", port, stopping);
        var device = new CommandDevice(socket, credential.Id, time);
        await socket.SendAsync(ConnectPacket.Encode(credential.Id, credential.Username, credential.Password, KeepAliveSeconds), stopping);
        await socket.SendAsync(Subscribe($"devices/{credential.Id}/messages/devicebound/#"), stopping);
        await device._subscribed.Task.WaitAsync(Patience, TimeProvider.System, stopping);
        return device;
    }

    /// <summary>Waits for the next command.</summary>
    /// <returns>The timestamp of its arrival.</returns>
    public async ValueTask<long> ReceiveAsync(CancellationToken stopping) => await _arrivals.Reader.ReadAsync(stopping);

    /// <summary>The PUBACK that a packet wants; null when it is no PUBLISH at QoS 1.</summary>
    public static byte[]? Answer(ReadOnlySpan<byte> packet)
    {
        if (packet.IsEmpty || (packet[0] & 0xf6) is not PublishQos1 || !RemainingLength.TryRead(packet, out var headerBytes, out _))
        {
            return null; // The bits left out: sent again, and retained.
        }

        int topicBytes = BinaryPrimitives.ReadUInt16BigEndian(packet[headerBytes..]);
        var id = packet.Slice(headerBytes + 2 + topicBytes, 2);
        return [0x40, 2, id[0], id[1]];
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _socket.Dispose();
        await _reading;
        _stopping.Dispose();
    }

    private static byte[] Subscribe(string filter)
    {
        var text = Encoding.UTF8.GetBytes(filter);
        return [0x82, .. RemainingLength.Encode(5 + text.Length), 0, 1, (byte)(text.Length >> 8), (byte)text.Length, .. text, 1];
    }

    private async Task ReadAsync()
    {
        var buffer = new byte[BufferBytes];
        var filled = 0;
        try
        {
            while (await _socket.ReceiveAsync(buffer.AsMemory(filled), _stopping.Token) is var count and > 0)
            {
                filled += count;
                var at = 0;
                while (RemainingLength.TryRead(buffer.AsSpan(at, filled - at), out var headerBytes, out var bodyBytes)
                    && bodyBytes >= 0 && filled - at >= headerBytes + bodyBytes)
                {
                    await HandleAsync(buffer.AsMemory(at, headerBytes + bodyBytes));
                    at += headerBytes + bodyBytes;
                }

                buffer.AsSpan(at, filled - at).CopyTo(buffer);
                filled -= at;
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // Over; who waits for a command hears of it.
        }

        _subscribed.TrySetException(new IOException("the hub closed the connection of a device"));
        _arrivals.Writer.TryComplete(new IOException("the hub closed the connection of a device"));
    }

    private async ValueTask HandleAsync(ReadOnlyMemory<byte> packet)
    {
        if (packet.Span[0] is SubscribeAcknowledged)
        {
            _subscribed.TrySetResult();
        }
        else if (Answer(packet.Span) is { } answer)
        {
            var now = _time.GetTimestamp();
            await _socket.SendAsync(answer, _stopping.Token);
            _arrivals.Writer.TryWrite(now);
        }
    }
}
