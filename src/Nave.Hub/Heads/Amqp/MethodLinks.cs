using System.Globalization;
using Amqp;
using Amqp.Framing;
using Amqp.Listener;
using Microsoft.Extensions.Logging;
using Nave.Hub.Devices;
using Nave.Hub.Faults;
using Nave.Hub.Methods;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// The pair of links on which one device takes direct methods (spec/device-amqp.md 7): requests go out on one, answers come
/// in on the other. The device takes methods while it has both. A new link of a kind replaces the older one.
/// </summary>
internal sealed partial class MethodLinks(ConnectedDevice device, ILogger logger)
{
    private readonly Lock _lock = new();
    private RequestsLink? _requests;
    private AnswersLink? _answers;
    private Task _following = Task.CompletedTask;
    private bool _isWatching;

    /// <summary>Accepts either link. The device takes methods before it knows that it may: a back end does not come too early.</summary>
    public async Task AttachAsync(LinkRequest request)
    {
        if (request.PeerSends)
        {
            var link = new AnswersLink(request, this);
            await JoinAsync(request, link, () => Interlocked.Exchange(ref _answers, link));
        }
        else
        {
            var link = new RequestsLink(request, this, logger);
            await JoinAsync(request, link, () => Interlocked.Exchange(ref _requests, link));
        }
    }

    /// <summary>Sends a request, or says that it cannot be sent.</summary>
    public void Invoke(MethodInvocation invocation)
    {
        if (_requests is not { } link || !link.TryInvoke(invocation))
        {
            device.Session!.RefuseMethod(invocation.RequestId);
        }
    }

    private async Task JoinAsync(LinkRequest request, IMethodLink link, Func<IMethodLink?> exchange)
    {
        // Joined before the older one leaves: a device without a link is over.
        if (!device.TryJoin(link))
        {
            request.Refuse(device.Error);
            return;
        }

        exchange()?.Detach(LinkRequest.ToError(HubFailures.TakenOver));
        await FollowAsync();
        link.Accept();
    }

    // May be called under the engine's locks.
    private void OnClosed(IMethodLink link)
    {
        Interlocked.CompareExchange(ref _requests, null, link as RequestsLink);
        Interlocked.CompareExchange(ref _answers, null, link as AnswersLink);
        device.Leave(link);
        _ = FollowAsync();
    }

    private Task FollowAsync()
    {
        lock (_lock)
        {
            return _following = WatchAsync(_following);
        }
    }

    private async Task WatchAsync(Task before)
    {
        await Task.Yield(); // Off whatever locks the caller holds.
        await before;
        var isWanted = _requests is not null && _answers is not null;
        if (isWanted == _isWatching)
        {
            return;
        }

        try
        {
            await device.Session!.WatchMethodsAsync(isWanted);
            _isWatching = isWanted;
        }
        catch (Exception e)
        {
            Log.WatchFailed(logger, e, device.Id.ToString());
        }
    }

    private void OnAnswer(ListenerLink link, Message message)
    {
        var failure = Read((RawMessage)message);
        link.DisposeMessage(message, failure is null ? new Accepted() : new Rejected { Error = LinkRequest.ToError(failure) }, settled: true);
        message.Dispose();
    }

    private HubFailure? Read(RawMessage raw)
    {
        if (raw.TryDecode() is not { } message || !IncomingMessage.TryReadBody(message, out var body))
        {
            return HubFailures.FormatError.Saying("The message is not encoded as AMQP 1.0 says.");
        }

        if (ReadRequestId(message.Properties?.GetCorrelationId()) is not { } requestId)
        {
            return HubFailures.ArgumentInvalid.Saying("The correlation id is that of a request.");
        }

        if (message.ApplicationProperties?.Map["IoThub-status"] is not { } value || ReadStatus(value) is not { } status)
        {
            return HubFailures.ArgumentInvalid.Saying("IoThub-status is a whole number.");
        }

        device.Session!.AnswerMethod(requestId, status, body.ToArray());
        return null;
    }

    // Node answers with a uuid or with a string, whatever it was given; the value is what counts.
    private static Guid? ReadRequestId(object? id) =>
        id is Guid guid ? guid : id is string text && Guid.TryParse(text, out var parsed) ? parsed : null;

    private static int? ReadStatus(object value) => value switch
    {
        int status => status,
        sbyte or byte or short or ushort or uint or long or ulong or string =>
            int.TryParse(Convert.ToString(value, CultureInfo.InvariantCulture), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var status)
                ? status
                : null,
        _ => null,
    };

    private interface IMethodLink : IDeviceLink
    {
        void Accept();
    }

    /// <summary>Requests on their way to the device.</summary>
    private sealed class RequestsLink(LinkRequest request, MethodLinks owner, ILogger logger) : QueuedLink(request, logger), IMethodLink
    {
        private readonly LinkRequest _request = request;
        private readonly DeviceSession _session = owner.Session;

        public void Accept()
        {
            _request.AcceptSender(this, _request.Attach.Source as Source);
            _ = RunAsync(); // Ends with the link, never fails.
        }

        /// <summary>False when the device takes nothing now: like a QoS 0 message over MQTT, a request has no promise behind it.</summary>
        public bool TryInvoke(MethodInvocation invocation)
        {
            if (Connection.IsBusy)
            {
                return false;
            }

            // A uuid: C# makes a Guid of it when it answers (spec/device-amqp.md 7).
            var properties = new Properties();
            properties.SetCorrelationId(invocation.RequestId);
            var message = new Message
            {
                Properties = properties,
                ApplicationProperties = new ApplicationProperties { ["IoThub-methodname"] = invocation.MethodName },
                BodySection = new Data { Binary = invocation.Payload.ToArray() },
            };
            return TryEnqueue(message, () => _session.IsMethodPending(invocation.RequestId));
        }

        public bool EndsWith(FaultKind fault) => fault is FaultKind.KillAmqpMethodReqLink;

        protected override void OnClosed() => owner.OnClosed(this);
    }

    /// <summary>Answers from the device.</summary>
    private sealed class AnswersLink(LinkRequest request, MethodLinks owner) : IMethodLink
    {
        // As many as may be pending for a device, and again as many that come too late.
        private const int Window = 100;

        public Session Session => request.Session;

        public void Accept()
        {
            request.AcceptReceiver(Window, TelemetryLink.MaxMessageBytes, owner.OnAnswer);
            request.Link.AddClosedCallback((_, _) => owner.OnClosed(this));
        }

        public void Detach(Error error) => AmqpConnection.CloseQuietly(request.Link, error);

        public bool EndsWith(FaultKind fault) => fault is FaultKind.KillAmqpMethodRespLink;
    }

    private DeviceSession Session => device.Session!; // Set before the first link joins.

    private static partial class Log
    {
        [LoggerMessage(2237, LogLevel.Warning, "{DeviceId}: whether it takes direct methods over AMQP could not be said")]
        public static partial void WatchFailed(ILogger logger, Exception exception, string deviceId);
    }
}
