using System.Collections.Concurrent;
using System.Threading.Channels;
using Nave.Hub.Commands;
using Nave.Hub.Devices;
using Nave.Protocol.Messages;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>
/// Commands on their way to one MQTT client (spec/device-mqtt.md 6): publishes what the session is granted, and completes
/// a command when its PUBACK comes, or when it is written where the client subscribed with QoS 0. Settling waits for SQL,
/// so it runs beside the connection's loop, in order.
/// </summary>
internal sealed class MqttCommands(DeviceSession session, MqttSubscriptions subscriptions, MqttWriter writer, MqttChannel channel)
{
    // spec/device-mqtt.md 6 rule 9: as many as the C# client takes before it stops reading.
    private const int Window = 50;

    // Made with the first subscription: two kilobytes, which most clients never need.
    private volatile Flow? _flow;
    private Task? _settling;
    private volatile Route? _route;
    private long _settled;
    private int _lastPacketId;

    /// <summary>Opens or closes the flow to what the client is subscribed to now. For the loop.</summary>
    public async ValueTask FollowSubscriptionsAsync()
    {
        var wasOpen = _route is not null;
        _route = FindRoute();
        if (_route is not null && !wasOpen)
        {
            channel.OnDeliver = Deliver;
            var flow = _flow ??= new Flow();
            _settling ??= SettleAsync(flow);
            await GrantAsync();
        }
        else if (_route is null && wasOpen)
        {
            await session.StopCommandsAsync();
        }
    }

    /// <summary>The client has taken a command. An id that is not in flight means nothing.</summary>
    public void Acknowledged(ushort packetId)
    {
        if (_flow is { } flow && flow.InFlight.TryRemove(packetId, out var lockToken))
        {
            flow.Done.Writer.TryWrite(lockToken);
        }
    }

    /// <summary>The connection is over: what was acknowledged is still settled.</summary>
    public async ValueTask CompleteAsync(CancellationToken deadline)
    {
        _flow?.Done.Writer.TryComplete();
        await (_settling ?? Task.CompletedTask).WaitAsync(deadline);
    }

    // In the actor's turn: must return at once and call nobody back.
    private void Deliver(CommandDelivery delivery)
    {
        if (_route is not { } route || _flow is not { } flow)
        {
            return; // Unsubscribed a moment ago: the lock goes back with the subscription.
        }

        var topic = route.TopicFor(delivery.Message);
        if (route.Qos is 0)
        {
            writer.Publish(topic, delivery.Message.Body);
            writer.Flush();
            flow.Done.Writer.TryWrite(delivery.LockToken);
            return;
        }

        var packetId = NextPacketId(flow);
        flow.InFlight[packetId] = delivery.LockToken;
        writer.Publish(topic, delivery.Message.Body, packetId, delivery.IsRedelivery);
        writer.Flush();
    }

    private async Task SettleAsync(Flow flow)
    {
        try
        {
            await foreach (var lockToken in flow.Done.Reader.ReadAllAsync(CancellationToken.None))
            {
                // A lost lock is no fault of the client: the command was purged, or its device deleted.
                await session.SettleCommandAsync(lockToken, Settlement.Complete);
                _settled++;
                await GrantAsync();
            }
        }
        catch (IOException)
        {
            // The database takes nothing now: the client reconnects and gets what is not settled.
            channel.Close(CloseReason.InternalError);
        }
    }

    // On MQTT a lock lasts as long as the connection (spec/device-mqtt.md 6 rule 8).
    private ValueTask GrantAsync() => session.GrantCommandsAsync(new CommandGrant(_settled + Window, LockDuration: null));

    private ushort NextPacketId(Flow flow)
    {
        // At most 50 of 65,535 are in flight: the next free one is never far.
        ushort packetId;
        do
        {
            packetId = (ushort)((_lastPacketId++ % ushort.MaxValue) + 1);
        }
        while (flow.InFlight.ContainsKey(packetId));
        return packetId;
    }

    private Route? FindRoute()
    {
        var commands = subscriptions.Of(MqttFeeds.Commands);
        return commands.Count is 0
            ? null
            : new Route(MqttTopics.DeviceBoundPrefix(session.Id, commands[0].Filter), commands.Max(subscription => subscription.Qos));
    }

    /// <summary>What is on its way to the client, and what the client has taken.</summary>
    private sealed class Flow
    {
        public ConcurrentDictionary<ushort, Guid> InFlight { get; } = new();

        // Bounded by the window: no more is delivered than has been granted.
        public Channel<Guid> Done { get; } = Channel.CreateUnbounded<Guid>(new UnboundedChannelOptions { SingleReader = true });
    }

    /// <summary>Where commands go: the client's own spelling of its id, and the QoS granted.</summary>
    private sealed record Route(string Prefix, int Qos)
    {
        public byte[] TopicFor(CloudToDeviceMessage message) => System.Text.Encoding.UTF8.GetBytes(
            Prefix + PropertyBag.WriteCommand(message.Properties, CommandWords.OrNull(message.Acknowledgement)));
    }
}
