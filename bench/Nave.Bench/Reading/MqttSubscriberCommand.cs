using System.CommandLine;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Nave.Bench.Amqp;
using Nave.Bench.Figures;
using Nave.Bench.Linux;
using Nave.Bench.Mqtt;

namespace Nave.Bench.Reading;

/// <summary>
/// <c>mqtt-subscriber</c>: one QoS 0 subscriber that takes what comes and counts it, on one blocking socket. Says "ready" when it is subscribed;
/// a line on standard input tells how many messages there are.
/// </summary>
internal sealed class MqttSubscriberCommand
{
    public const string Name = "mqtt-subscriber";
    private const int BufferBytes = 512 * 1024;
    private const int PublishType = 3;
    private const int SubscribeAcknowledged = 0x90;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly Option<int> _port = new("--port") { Description = "MQTT port on 127.0.0.1", Required = true };
    private readonly Option<string> _topic = new("--topic") { Description = "topic filter", DefaultValueFactory = _ => "devices/#" };
    private readonly Option<int?> _serverPid = new("--server-pid") { Description = "process whose CPU to read" };

    private long _total = long.MaxValue;

    public static Command Create()
    {
        var options = new MqttSubscriberCommand();
        var command = new Command(Name, "subscribes and counts: a role of the read scenario") { options._port, options._topic, options._serverPid };
        command.SetAction((parsed, _) =>
        {
            Console.WriteLine(JsonSerializer.Serialize(options.Measure(parsed, TimeProvider.System), BenchJson.Lines.RunFigures));
            return Task.FromResult(0);
        });
        return command;
    }

    /// <summary>A SUBSCRIBE of one filter at QoS 0 with packet id 1.</summary>
    public static byte[] Subscribe(string filter)
    {
        var text = Encoding.UTF8.GetBytes(filter);
        return [0x82, .. RemainingLength.Encode(5 + text.Length), 0, 1, (byte)(text.Length >> 8), (byte)text.Length, .. text, 0];
    }

    private RunFigures Measure(ParseResult parsed, TimeProvider time)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        socket.Connect("127.0.0.1", parsed.GetValue(_port));
        socket.Send(ConnectPacket.Encode("bench-subscriber", null, null, 0));
        socket.Send(Subscribe(parsed.GetValue(_topic)!));
        socket.ReceiveTimeout = 20; // So that the end is noticed.
        var meter = new CpuMeter(parsed.GetValue(_serverPid), time);

        var buffer = new byte[BufferBytes];
        var (filled, count, bytes, last) = (0, 0L, 0L, time.GetTimestamp());
        while (count < Volatile.Read(ref _total) && (Volatile.Read(ref _total) is long.MaxValue || time.GetElapsedTime(last) < Patience))
        {
            var received = socket.Receive(buffer.AsSpan(filled), SocketFlags.None, out var error);
            if (error is SocketError.TimedOut or SocketError.WouldBlock or SocketError.Interrupted)
            {
                continue;
            }

            if (received <= 0)
            {
                break;
            }

            filled += received;
            var at = 0;
            while (RemainingLength.TryRead(buffer.AsSpan(at, filled - at), out var headerBytes, out var bodyBytes)
                && filled - at >= headerBytes + bodyBytes)
            {
                if (buffer[at] >> 4 is PublishType)
                {
                    (count, bytes, last) = (count + 1, bytes + bodyBytes, time.GetTimestamp());
                }
                else if (buffer[at] is SubscribeAcknowledged)
                {
                    Console.WriteLine(AmqpReadCommand.Ready);
                    _ = Task.Run(() => Volatile.Write(ref _total, long.Parse(Console.In.ReadLine() ?? "0", CultureInfo.InvariantCulture)));
                    last = time.GetTimestamp();
                }

                at += headerBytes + bodyBytes;
            }

            buffer.AsSpan(at, filled - at).CopyTo(buffer);
            filled -= at;
        }

        var cpu = meter.Read();
        double messages = Math.Max(count, 1);
        var isWhole = count >= _total;
        return new RunFigures(
            new Dictionary<string, double>
            {
                [AmqpFigures.Rate] = count / cpu.Elapsed.TotalSeconds,
                [AmqpFigures.Megabytes] = bytes / cpu.Elapsed.TotalSeconds / 1e6,
                [AmqpFigures.Cpu] = cpu.ServerSeconds / messages * 1e6,
                [AmqpFigures.ClientCpu] = cpu.OwnSeconds / messages * 1e6,
                [AmqpFigures.Events] = count,
            },
            cpu.OtherCores,
            isWhole ? 0 : 1,
            isWhole ? null : $"only {count} messages came");
    }
}
