using System.CommandLine;
using System.Globalization;
using Amqp;
using Amqp.Framing;
using Amqp.Listener;
using Symbol = Amqp.Types.Symbol;

namespace Nave.Bench.Servers;

/// <summary>
/// <c>amqpnetlite</c>: AMQPNetLite's own listener in the fewest lines, until it is stopped: accepts and settles what comes, and sends one
/// event out of memory, settled, as fast as there is credit. Nothing is stored, nobody authenticates.
/// </summary>
internal static class AmqpNetLiteCommand
{
    public const string Name = "amqpnetlite";

    public static Command Create()
    {
        var port = new Option<int>("--port") { Description = "port to listen on", Required = true };
        var credit = new Option<int>("--credit") { Description = "credit that senders get", DefaultValueFactory = _ => 200 };
        var payload = new Option<int>("--payload") { Description = "bytes of an event that is sent", DefaultValueFactory = _ => 256 };
        var command = new Command(Name, "AMQPNetLite's listener that accepts and sends out of memory: a peer of the scenarios") { port, credit, payload };
        command.SetAction(async (parsed, stopping) =>
        {
            var host = new ContainerHost([string.Create(CultureInfo.InvariantCulture, $"amqp://127.0.0.1:{parsed.GetValue(port)}")]);
            host.RegisterLinkProcessor(new Links(parsed.GetValue(credit), NewEvent(parsed.GetValue(payload))));
            host.Open();
            Console.WriteLine(host.Listeners[0].Address);
            await ServerOptions.WaitAsync(stopping);
            host.Close();
            return 0;
        });
        return command;
    }

    // As large as a hub's: its annotations say which device it came from.
    private static byte[] NewEvent(int payloadBytes)
    {
        using var message = new Message { BodySection = new Data { Binary = new byte[payloadBytes] } };
        message.MessageAnnotations = new MessageAnnotations
        {
            Map =
            {
                [new Symbol("x-opt-sequence-number")] = 1L,
                [new Symbol("x-opt-offset")] = "1",
                [new Symbol("x-opt-enqueued-time")] = DateTime.UnixEpoch,
                [new Symbol("iothub-enqueuedtime")] = DateTime.UnixEpoch,
                [new Symbol("iothub-connection-device-id")] = "bench-0",
                [new Symbol("iothub-connection-auth-method")] = """{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}""",
                [new Symbol("iothub-connection-auth-generation-id")] = "638000000000000000",
                [new Symbol("iothub-message-source")] = "Telemetry",
            },
        };
        var buffer = message.Encode();
        return buffer.Buffer.AsSpan(buffer.Offset, buffer.Length).ToArray();
    }

    private sealed class Links(int credit, byte[] @event) : ILinkProcessor
    {
        public void Process(AttachContext attach)
        {
            if (attach.Attach.Role)
            {
                attach.Complete(new Spring(@event), 0);
            }
            else
            {
                attach.Complete(new Sink(), credit);
            }
        }
    }

    private sealed class Sink : LinkEndpoint
    {
        public override void OnMessage(MessageContext messageContext) => messageContext.Complete();

        public override void OnFlow(FlowContext flowContext)
        {
        }

        public override void OnDisposition(DispositionContext dispositionContext)
        {
        }
    }

    private sealed class Spring(byte[] @event) : LinkEndpoint
    {
        public override void OnFlow(FlowContext flowContext)
        {
            for (var i = 0; i < flowContext.Messages; i++)
            {
                flowContext.Link.SendMessage(new Message(), new ByteBuffer(@event, 0, @event.Length, @event.Length));
            }
        }

        public override void OnDisposition(DispositionContext dispositionContext)
        {
        }
    }
}
