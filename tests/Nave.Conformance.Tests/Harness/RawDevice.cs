using System.Buffers;
using System.Collections.Concurrent;
using System.Text;
using Nave.Mqtt;
using Nave.Protocol.Access;

namespace Nave.Conformance.Tests.Harness;

/// <summary>
/// A device that sends numbered telemetry over MQTT as fast as a window allows and remembers which numbers were
/// acknowledged: what a kill test holds the hub to.
/// </summary>
/// <param name="id">The device's id.</param>
/// <param name="connect">Opens its connection, CONNACK included.</param>
internal sealed class RawDevice(string id, Func<CancellationToken, Task<Stream>> connect)
{
    private const int Window = 20;

    private readonly ConcurrentDictionary<ushort, int> _inFlight = new();
    private int _next;

    /// <summary>The device's id.</summary>
    public string Id => id;

    /// <summary>Numbers whose PUBACK has arrived.</summary>
    public ConcurrentQueue<int> Acknowledged { get; } = new();

    /// <summary>A device with TLS and a token.</summary>
    public static RawDevice Of(OutsideHub hub, string connectionString)
    {
        var fields = connectionString.Split(';').Select(field => field.Split('=', 2)).ToDictionary(field => field[0], field => field[1]);
        var id = fields["DeviceId"];
        return new RawDevice(id, async stopping =>
        {
            var tls = await MqttDoor.OpenAsync(hub, stopping);
            var token = SasToken.Mint($"{hub.Address}/devices/{id}", fields["SharedAccessKey"], TimeProvider.System.GetUtcNow().AddHours(1));
            await MqttDoor.ConnectAsync(hub, tls, id, token, stopping);
            return tls;
        });
    }

    /// <summary>Connects and sends until the connection is lost or the token is cancelled.</summary>
    public async Task SendUntilCutAsync(Action acknowledged, CancellationToken stopping)
    {
        try
        {
            await using var line = await connect(stopping);
            await SendAsync(line, acknowledged, stopping);
        }
        catch (IOException)
        {
            // The kill.
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Enough.
        }

        _inFlight.Clear();
    }

    private async Task SendAsync(Stream line, Action acknowledged, CancellationToken stopping)
    {
        var topic = Encoding.UTF8.GetBytes($"devices/{Id}/messages/events/");
        var output = new ArrayBufferWriter<byte>();
        var input = new byte[4096];
        var kept = 0;
        ushort packetId = 0;
        while (true)
        {
            output.Clear();
            while (_inFlight.Count < Window)
            {
                packetId = (ushort)((packetId % ushort.MaxValue) + 1);
                var number = _next++;
                _inFlight[packetId] = number;
                new PublishPacket
                {
                    Topic = topic,
                    PacketId = packetId,
                    Qos = 1,
                    Payload = new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes($"{number}")),
                }.Write(output, MqttVersion.V311);
            }

            await line.WriteAsync(output.WrittenMemory, stopping);
            var count = await line.ReadAsync(input.AsMemory(kept), stopping);
            if (count == 0)
            {
                return;
            }

            kept = Take(input, kept + count, acknowledged);
        }
    }

    private int Take(byte[] input, int length, Action acknowledged)
    {
        var unread = new ReadOnlySequence<byte>(input, 0, length);
        while (FrameReader.TryReadFrame(ref unread, 1024, out var frame))
        {
            var id = AckPacket.Read(frame, MqttVersion.V311).PacketId;
            Assert.True(_inFlight.TryRemove(id, out var number), $"PUBACK {id} for nothing that is in flight.");
            Acknowledged.Enqueue(number);
            acknowledged();
        }

        unread.ToArray().CopyTo(input, 0);
        return (int)unread.Length;
    }
}
