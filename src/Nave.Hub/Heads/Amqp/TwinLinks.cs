using System.Threading.Channels;
using Amqp;
using Amqp.Framing;
using Amqp.Types;
using Microsoft.Extensions.Logging;
using Nave.Hub.Faults;
using Nave.Hub.Quotas;
using Nave.Hub.Twins;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// The pair of links on which one device has its twin (spec/device-amqp.md 8): requests come in on one; answers and desired
/// changes go out on the other. Requests are answered one after the other. Owns the order of what is said of the twin:
/// what a device hears of desired properties never goes back. A new link of a kind replaces the older one.
/// </summary>
internal sealed partial class TwinLinks(ConnectedDevice device, TimeProvider time, ILogger logger)
{
    private const string Reported = "/properties/reported";
    private const string Desired = "/notifications/twin/properties/desired";

    // Requests without an answer.
    private const int Window = 20;

    private readonly Channel<Request> _waiting = Channel.CreateBounded<Request>(
        new BoundedChannelOptions(Window) { SingleReader = true });

    private readonly Lock _order = new();
    private RequestsLink? _requests;
    private AnswersLink? _answers;
    private bool _isStarted;
    private long _toldVersion;

    /// <summary>Completes when everything that was asked before <see cref="Complete"/> has been done.</summary>
    public Task Answering { get; private set; } = Task.CompletedTask;

    /// <summary>The device is over: nothing more is asked.</summary>
    public void Complete() => _waiting.Writer.TryComplete();

    /// <summary>Accepts either link. On the connection's read loop, which is paused meanwhile.</summary>
    public void Attach(LinkRequest request)
    {
        if (!_isStarted)
        {
            _isStarted = true;
            Answering = RunAsync();
        }

        if (request.PeerSends)
        {
            var link = new RequestsLink(request, this);
            Join(request, link, () => Interlocked.Exchange(ref _requests, link));
        }
        else
        {
            var link = new AnswersLink(request, this, logger);
            Join(request, link, () => Interlocked.Exchange(ref _answers, link));
        }
    }

    /// <summary>Tells the device. In the actor's turn: returns at once.</summary>
    public void DesiredChanged(DesiredChange change)
    {
        lock (_order)
        {
            _toldVersion = change.Version;
            if (_answers is { } link)
            {
                // No correlation id: that is what makes it a change (spec/device-amqp.md 8).
                Send(link, new Message
                {
                    MessageAnnotations = new MessageAnnotations
                    {
                        [new Symbol("resource")] = Desired,
                        [new Symbol("version")] = change.Version,
                    },
                    BodySection = new Data { Binary = change.Json },
                });
            }
        }
    }

    private void Join(LinkRequest request, ITwinLink link, Func<ITwinLink?> exchange)
    {
        // Joined before the older one leaves: a device without a link is over.
        if (!device.TryJoin(link))
        {
            request.Refuse(device.Error);
            return;
        }

        exchange()?.Detach(LinkRequest.ToError(HubFailures.TakenOver));
        link.Accept();
    }

    // May be called under the engine's locks. Without both links there is no feed; the next pair asks anew.
    private void OnClosed(ITwinLink link)
    {
        var wasPaired = Interlocked.CompareExchange(ref _requests, null, link as RequestsLink) == link
            || Interlocked.CompareExchange(ref _answers, null, link as AnswersLink) == link;
        device.Leave(link);
        if (wasPaired)
        {
            _ = UnwatchAsync();
        }
    }

    private async Task UnwatchAsync()
    {
        await Task.Yield(); // Off the engine's locks.
        try
        {
            await device.Session!.UnwatchDesiredAsync();
        }
        catch (Exception e)
        {
            Log.Failed(logger, e, device.Id.ToString());
        }
    }

    private void OnRequest(RequestsLink link, Message message)
    {
        var request = Read(link, (RawMessage)message) with { ReceivedAt = time.GetTimestamp() };
        request.Link.Took(message);
        if (request.CorrelationId is null || !_waiting.Writer.TryWrite(request))
        {
            // Nothing to answer to, or nobody: a device that sends past its credit is one that does not count.
            link.Answered();
        }
    }

    private static Request Read(RequestsLink link, RawMessage raw)
    {
        if (raw.TryDecode() is not { } message || !IncomingMessage.TryReadBody(message, out var body))
        {
            return new Request(link, null, "", "", []);
        }

        // An answer without a correlation id would read as a desired change.
        var id = message.Properties?.GetCorrelationId() ?? message.Properties?.GetMessageId();
        var annotations = message.MessageAnnotations?.Map;
        return new Request(link, id, Text(annotations, "operation"), Text(annotations, "resource"), body.ToArray());
    }

    private static string Text(Map? annotations, string name) =>
        annotations is not null && annotations.TryGetValue(new Symbol(name), out var value) ? value?.ToString() ?? "" : "";

    private async Task RunAsync()
    {
        await Task.Yield(); // Off the read loop.
        await foreach (var request in _waiting.Reader.ReadAllAsync(CancellationToken.None))
        {
            try
            {
                await HandleAsync(request);
            }
            catch (IOException)
            {
                Refuse(request, HubFailures.Unavailable);
            }
            catch (Exception e)
            {
                Log.Failed(logger, e, device.Id.ToString());
                Refuse(request, HubFailures.ServerError);
            }

            request.Link.Answered();
        }
    }

    private async ValueTask HandleAsync(Request request)
    {
        switch (request.Operation.ToUpperInvariant(), request.Resource)
        {
            case ("GET", "" or "/"):
                if (await PassAsync(request, Metered.TwinReads))
                {
                    await GetAsync(request);
                }

                break;
            case ("PATCH", Reported):
                if (!await PassAsync(request, Metered.TwinUpdates))
                {
                    break;
                }

                var outcome = await device.Session!.PatchReportedAsync(request.Body);
                if (outcome.Failure is { } failure)
                {
                    Refuse(request, failure);
                }
                else
                {
                    Answer(request, 204, [], outcome.Version);
                }

                break;
            case ("PUT", Desired):
                await device.Session!.WatchDesiredAsync();
                Answer(request, 200, []);
                break;
            case ("DELETE", Desired):
                await device.Session!.UnwatchDesiredAsync();
                Answer(request, 200, []);
                break;
            default:
                Refuse(request, HubFailures.ArgumentInvalid.Saying(
                    $"A twin request is GET, PATCH of {Reported}, or PUT or DELETE of {Desired}."));
                break;
        }
    }

    private async ValueTask<bool> PassAsync(Request request, Metered operation)
    {
        try
        {
            if (await device.Session!.PassAsync(operation, device.ConnectionClosed, time.GetElapsedTime(request.ReceivedAt)) is { } failure)
            {
                Refuse(request, failure);
                return false;
            }
        }
        catch (OperationCanceledException)
        {
            // The connection ends: what was taken is done now, for the end waits for it.
        }

        return true;
    }

    private async ValueTask GetAsync(Request request)
    {
        while (true)
        {
            var twin = await device.Session!.GetTwinAsync(CancellationToken.None);
            lock (_order)
            {
                if (twin is null)
                {
                    Refuse(request, HubFailures.DeviceNotFound);
                    return;
                }

                // A change that has been told meanwhile must not be taken back by an older answer: read again.
                if (twin.DesiredVersion >= _toldVersion)
                {
                    Answer(request, 200, twin.Json);
                    return;
                }
            }
        }
    }

    private void Refuse(Request request, HubFailure failure) =>
        Answer(request, failure.HttpStatus, FailureBody.Write(failure, device.ConnectionId, time.GetUtcNow()));

    // Without a link for answers a patch is still done, and nobody is told.
    private void Answer(Request request, int status, byte[] body, long? version = null)
    {
        if (_answers is not { } link)
        {
            return;
        }

        var properties = new Properties();
        properties.SetCorrelationId(request.CorrelationId); // As it came, type and all.
        var annotations = new MessageAnnotations { [new Symbol("status")] = status };
        if (version is { } number)
        {
            annotations[new Symbol("version")] = number;
        }

        Send(link, new Message
        {
            MessageAnnotations = annotations,
            Properties = properties,
            BodySection = new Data { Binary = body }, // Never a value: Node reads its content (spec/device-amqp.md 8).
        });
    }

    // A device that takes nothing misses something: it must find out, and ask for its twin anew.
    private static void Send(AnswersLink link, Message message)
    {
        if (!link.TryEnqueue(message))
        {
            link.Detach(LinkRequest.ToError(HubFailures.QueueFull.Saying("Too many twin messages wait for credit.")));
        }
    }

    private interface ITwinLink : IDeviceLink
    {
        void Accept();
    }

    private sealed record Request(RequestsLink Link, object? CorrelationId, string Operation, string Resource, byte[] Body)
    {
        public long ReceivedAt { get; init; }
    }

    /// <summary>Requests from the device. Credit counts what has no answer.</summary>
    private sealed class RequestsLink(LinkRequest request, TwinLinks owner) : ITwinLink
    {
        private int _inHand;
        private int _answered;
        private volatile bool _isClosed;

        public Session Session => request.Session;

        public void Accept()
        {
            request.AcceptReceiver(Window, TelemetryLink.MaxMessageBytes, (_, message) => owner.OnRequest(this, message));
            LinkInternals.RestoresCredit(request.Link) = false;
            request.Link.AddClosedCallback((_, _) =>
            {
                _isClosed = true;
                owner.OnClosed(this);
            });
        }

        /// <summary>The transfer has been read; its outcome is only that.</summary>
        public void Took(Message message)
        {
            Interlocked.Increment(ref _inHand);
            request.Link.DisposeMessage(message, new Accepted(), settled: true);
            message.Dispose();
        }

        /// <summary>A request has its answer: now and then the device gets more credit.</summary>
        public void Answered()
        {
            var inHand = Interlocked.Decrement(ref _inHand);
            if (Interlocked.Increment(ref _answered) % (Window / 2) != 0 || _isClosed)
            {
                return;
            }

            try
            {
                request.Link.SetCredit(Window - inHand, drain: false, autoRestore: false);
            }
            catch (Exception e) when (AmqpConnection.IsEngineClosed(e))
            {
                // The link went first.
            }
        }

        public void Detach(Error error) => AmqpConnection.CloseQuietly(request.Link, error);

        public bool EndsWith(FaultKind fault) => fault is FaultKind.KillAmqpTwinLinkReq;
    }

    /// <summary>Answers and desired changes on their way to the device.</summary>
    private sealed class AnswersLink(LinkRequest request, TwinLinks owner, ILogger logger) : QueuedLink(request, logger), ITwinLink
    {
        private readonly LinkRequest _request = request;

        public void Accept()
        {
            _request.AcceptSender(this, _request.Attach.Source as Source);
            _ = RunAsync(); // Ends with the link, never fails.
        }

        public bool EndsWith(FaultKind fault) => fault is FaultKind.KillAmqpTwinLinkResp;

        protected override void OnClosed() => owner.OnClosed(this);
    }

    private static partial class Log
    {
        [LoggerMessage(2238, LogLevel.Error, "A twin request of {DeviceId} over AMQP failed")]
        public static partial void Failed(ILogger logger, Exception exception, string deviceId);
    }
}
