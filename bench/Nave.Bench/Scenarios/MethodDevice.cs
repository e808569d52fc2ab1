using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using Nave.Bench.Load;
using Nave.Bench.Mqtt;

namespace Nave.Bench.Scenarios;

/// <summary>A device that answers every direct method at once with what it was given, over MQTT 3.1.1 without TLS.</summary>
internal sealed class MethodDevice : IAsyncDisposable
{
    private const ushort KeepAliveSeconds = 600;
    private const int BufferBytes = 64 * 1024;

    private readonly Socket _socket;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _subscribed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _reading;

    private MethodDevice(Socket socket)
    {
        _socket = socket;
        _reading = ReadAsync();
    }

    /// <summary>Connects and subscribes.</summary>
    public static async Task<MethodDevice> ConnectAsync(int port, DeviceCredential credential, CancellationToken stopping)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync("127.0.0.1", port, stopping);
        var device = new MethodDevice(socket);
        await socket.SendAsync(ConnectPacket.Encode(credential.Id, credential.Username, credential.Password, KeepAliveSeconds), stopping);
        await socket.SendAsync(Subscribe("$iothub/methods/POST/#"), stopping);
        await device._subscribed.Task.WaitAsync(TimeSpan.FromSeconds(30), TimeProvider.System, stopping);
        return device;
    }

    /// <summary>The answer to a method request, both as whole PUBLISH packets at QoS 0; null when it is none.</summary>
    public static byte[]? Answer(ReadOnlySpan<byte> publish)
    {
        if (publish.IsEmpty || publish[0] is not 0x30 || !RemainingLength.TryRead(publish, out var headerBytes, out var bodyBytes)
            || bodyBytes < 2 || publish.Length != headerBytes + bodyBytes)
        {
            return null;
        }

        var body = publish[headerBytes..];
        int topicBytes = BinaryPrimitives.ReadUInt16BigEndian(body);
        if (body.Length < 2 + topicBytes)
        {
            return null;
        }

        var topic = body.Slice(2, topicBytes);
        var rid = topic.IndexOf("/?$rid="u8);
        return rid < 0 || !topic.StartsWith("$iothub/methods/POST/"u8)
            ? null
            : Publish([.. "$iothub/methods/res/200"u8, .. topic[rid..]], body[(2 + topicBytes)..]);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _socket.Dispose();
        await _reading;
        _stopping.Dispose();
    }

    private static byte[] Publish(byte[] topic, ReadOnlySpan<byte> payload) =>
        [0x30, .. RemainingLength.Encode(2 + topic.Length + payload.Length), (byte)(topic.Length >> 8), (byte)topic.Length, .. topic, .. payload];

    private static byte[] Subscribe(string filter)
    {
        var text = Encoding.UTF8.GetBytes(filter);
        return [0x82, .. RemainingLength.Encode(5 + text.Length), 0, 1, (byte)(text.Length >> 8), (byte)text.Length, .. text, 0];
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
            // Over; what was not answered shows in the figures.
        }

        _subscribed.TrySetException(new PeerUnavailableException("the hub closed the connection of a device"));
    }

    private async ValueTask HandleAsync(ReadOnlyMemory<byte> packet)
    {
        if (packet.Span[0] is 0x90)
        {
            _subscribed.TrySetResult();
        }
        else if (Answer(packet.Span) is { } answer)
        {
            await _socket.SendAsync(answer, _stopping.Token);
        }
    }
}
