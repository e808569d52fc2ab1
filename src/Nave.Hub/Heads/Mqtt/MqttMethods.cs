using System.Buffers;
using System.Buffers.Text;
using System.Text;
using Nave.Hub.Devices;
using Nave.Hub.Methods;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>
/// Direct methods of one MQTT client (spec/device-mqtt.md 9): asks for those that it is subscribed to, at QoS 0 whatever
/// was granted, and takes its results. Keeps nothing: what is pending belongs to the session.
/// </summary>
internal sealed class MqttMethods(DeviceSession session, MqttSubscriptions subscriptions, MqttWriter writer, MqttChannel channel)
{
    private bool _isWatching;

    /// <summary>Takes methods, or no longer, by what the client is subscribed to now. For the loop, behind the SUBACK.</summary>
    public async ValueTask FollowSubscriptionsAsync()
    {
        var isWanted = subscriptions.Has(MqttFeeds.Methods);
        if (isWanted != _isWatching)
        {
            channel.OnInvokeMethod = Invoke;
            _isWatching = isWanted;
            await session.WatchMethodsAsync(isWanted);
        }
    }

    /// <summary>Takes a result. An id that we did not give means nothing, and the connection stays.</summary>
    public void HandleResult(int status, ReadOnlySpan<byte> requestId, in ReadOnlySequence<byte> payload)
    {
        if (Utf8Parser.TryParse(requestId, out Guid id, out var consumed, 'D') && consumed == requestId.Length)
        {
            session.AnswerMethod(id, status, payload.ToArray());
        }
    }

    // Any thread. A client that leaves unread what it is sent gets no more of it: there is no promise behind QoS 0.
    private void Invoke(MethodInvocation invocation)
    {
        if (writer.IsCongested || !subscriptions.Of(MqttFeeds.Methods).Any(subscription => MqttTopics.IsMethodOf(subscription.Filter, invocation.MethodName)))
        {
            session.RefuseMethod(invocation.RequestId);
            return;
        }

        // The slash before "?" and nothing before $rid: C# and C count both (spec/device-mqtt.md 9).
        writer.Publish(
            Encoding.UTF8.GetBytes($"$iothub/methods/POST/{invocation.MethodName}/?$rid={invocation.RequestId:D}"), invocation.Payload);
        writer.Flush();
    }
}
