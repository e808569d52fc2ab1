using System.Buffers;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using System.Net.Security;
using System.Reflection;
using System.Text;
using System.Text.Json;
using Amqp;
using Amqp.Framing;
using Amqp.Handler;
using Nave.Mqtt;

namespace Nave.Conformance.Tests.Harness;

/// <summary>Devices that take and complete commands until the hub is gone, and write down what they were told.</summary>
internal static class CommandTakers
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <summary>Whether this is what a client sees of a kill.</summary>
    public static bool IsCut(Exception e) =>
        e is IOException or HttpRequestException or AmqpException or ObjectDisposedException or OperationCanceledException or TimeoutException;

    /// <summary>Over HTTPS: 204 to the DELETE confirms.</summary>
    public static async Task OverHttpAsync(HttpClient owner, string device, CommandLedger ledger, Action delivered, CancellationToken stopping)
    {
        var path = $"devices/{device}/messages/devicebound";
        using var poll = new PeriodicTimer(Pause);
        while (true)
        {
            using var received = await owner.GetAsync($"{path}?api-version=2021-04-12", stopping);
            if (received.StatusCode is HttpStatusCode.NoContent)
            {
                await poll.WaitForNextTickAsync(stopping);
                continue;
            }

            Assert.Equal(HttpStatusCode.OK, received.StatusCode);
            var body = await received.Content.ReadAsStringAsync(stopping);
            ledger.HasDelivered(body);
            delivered();
            using var completed = await owner.DeleteAsync($"{path}/{received.Headers.ETag!.Tag.Trim('"')}?api-version=2021-04-12", stopping);
            Assert.Equal(HttpStatusCode.NoContent, completed.StatusCode);
            ledger.HasConfirmed(body, "204");
        }
    }

    /// <summary>Over AMQP with a link whose receiver settles second: the hub's settled answer confirms.</summary>
    public static async Task OverAmqpAsync(OutsideHub hub, string device, string token, CommandLedger ledger, Action delivered, CancellationToken stopping)
    {
        var answers = new SettledAnswers(message => ledger.HasConfirmed(Text(message), "the disposition"));
        var connection = await AmqpDoor.ConnectAsync(hub, $"{device}@sas.{hub.Address.Split('.')[0]}", token, answers);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        connection.AddClosedCallback((_, _) => ended.TrySetResult());
        var session = new Session(connection);
        var link = new ReceiverLink(
            session,
            "commands",
            new Attach
            {
                Source = new Source { Address = $"/devices/{device}/messages/devicebound" },
                Target = new Target(),
                RcvSettleMode = ReceiverSettleMode.Second,
            },
            null);
        link.Start(0, (receiver, message) =>
        {
            ledger.HasDelivered(Text(message));
            delivered();
            answers.Complete(session, message);
            receiver.SetCredit(1, CreditMode.Manual);
        });
        link.SetCredit(10, CreditMode.Manual);
        try
        {
            await ended.Task.WaitAsync(stopping);
        }
        finally
        {
            await AmqpDoor.CloseAsync(connection);
        }
    }

    /// <summary>Over MQTT with QoS 1: nothing confirms a PUBACK, so what was completed may come again, but not get lost.</summary>
    public static async Task OverMqttAsync(OutsideHub hub, string device, string token, CommandLedger ledger, Action delivered, CancellationToken stopping)
    {
        await using var tls = await MqttDoor.OpenAsync(hub, stopping);
        await MqttDoor.ConnectAsync(hub, tls, device, token, stopping);
        await MqttDoor.WriteAsync(
            tls,
            new SubscribePacket { PacketId = 1, Subscriptions = [new($"devices/{device}/messages/devicebound/#", 1)] },
            stopping);
        var input = new byte[64 * 1024];
        var kept = 0;
        while (await tls.ReadAsync(input.AsMemory(kept), stopping) is var count and > 0)
        {
            kept = await TakeAsync(tls, input, kept + count, ledger, delivered, stopping);
        }
    }

    /// <summary>Reads feedback over HTTPS: a Success confirms.</summary>
    public static async Task FeedbackAsync(HttpClient owner, CommandLedger ledger, CancellationToken stopping)
    {
        const string path = "messages/serviceBound/feedback";
        using var poll = new PeriodicTimer(Pause);
        while (true)
        {
            using var received = await owner.GetAsync($"{path}?api-version=2021-04-12", stopping);
            if (received.StatusCode is HttpStatusCode.NoContent)
            {
                await poll.WaitForNextTickAsync(stopping);
                continue;
            }

            var records = await received.Content.ReadFromJsonAsync<JsonElement>(stopping);
            foreach (var record in records.EnumerateArray())
            {
                Assert.Equal("Success", record.GetProperty("statusCode").GetString());
                ledger.HasConfirmed(record.GetProperty("originalMessageId").GetString()!, "feedback");
            }

            using var completed = await owner.DeleteAsync($"{path}/{received.Headers.ETag!.Tag.Trim('"')}?api-version=2021-04-12", stopping);
        }
    }

    private static async Task<int> TakeAsync(
        SslStream tls, byte[] input, int length, CommandLedger ledger, Action delivered, CancellationToken stopping)
    {
        var unread = new ReadOnlySequence<byte>(input, 0, length);
        var output = new ArrayBufferWriter<byte>();
        while (FrameReader.TryReadFrame(ref unread, input.Length, out var frame))
        {
            if (frame.Type is PacketType.Publish)
            {
                var publish = PublishPacket.Read(frame, MqttVersion.V311);
                ledger.HasDelivered(Encoding.UTF8.GetString(publish.Payload.ToArray()));
                delivered();
                new AckPacket(publish.PacketId).Write(output, PacketType.PubAck, MqttVersion.V311);
            }
        }

        unread.ToArray().CopyTo(input, 0);
        await tls.WriteAsync(output.WrittenMemory, stopping);
        return (int)unread.Length;
    }

    private static string Text(Message message) => Encoding.UTF8.GetString((byte[])message.Body);

    /// <summary>Settles second, which the library's own receiver never does, and hears the hub's answers.</summary>
    private sealed class SettledAnswers(Action<Message> confirmed) : IHandler
    {
        private static readonly PropertyInfo Delivery = typeof(Message).GetProperty("Delivery", BindingFlags.Instance | BindingFlags.NonPublic)!;
        private static readonly MethodInfo Dispose = typeof(Session).GetMethod("DisposeDelivery", BindingFlags.Instance | BindingFlags.NonPublic)!;
        private readonly ConcurrentDictionary<Message, bool> _waiting = new();

        public void Complete(Session session, Message message)
        {
            _waiting[message] = true;
            Dispose.Invoke(session, [true, Delivery.GetValue(message), new Accepted(), false]);
        }

        public bool CanHandle(EventId id) => id is EventId.DeliveryStateChanged;

        public void Handle(Event protocolEvent)
        {
            var delivery = (IDelivery)protocolEvent.Context;
            if (delivery.Settled && delivery.State is Accepted && _waiting.TryRemove(delivery.Message, out _))
            {
                confirmed(delivery.Message);
            }
        }
    }
}
