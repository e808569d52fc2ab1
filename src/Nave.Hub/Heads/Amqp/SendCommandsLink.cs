using Amqp;
using Amqp.Framing;
using Amqp.Listener;
using Microsoft.Extensions.Logging;
using Nave.Hub.Commands;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// A link on which a back end sends commands (spec/service-amqp.md 4): accepted when queued durably, rejected with why not;
/// the link stays. Messages of one device go one after the other, those of different devices side by side: a group commit
/// takes many at once.
/// </summary>
internal sealed partial class SendCommandsLink(LinkRequest request, CommandSender sender, TimeProvider time, ILogger logger)
{
    // Sends under way at most, and commands without an outcome.
    private const int Lanes = 64;
    private const int Window = 200;

    private readonly ListenerLink _link = request.Link;
    private readonly Task[] _lanes = [.. Enumerable.Repeat(Task.CompletedTask, Lanes)];
    private int _inHand;
    private int _answered;

    /// <summary>Accepts the link.</summary>
    public void Accept()
    {
        request.AcceptReceiver(Window, TelemetryLink.MaxMessageBytes, OnMessage);
        LinkInternals.RestoresCredit(_link) = false;
    }

    // On the read loop: what is kept for later is copied out of the transfer.
    private void OnMessage(ListenerLink link, Message message)
    {
        Interlocked.Increment(ref _inHand);
        var outcome = request.Connection.IsAborted ? HubFailures.Unavailable : Read((RawMessage)message);
        if (!outcome.TryGet(out var command, out var failure))
        {
            Answer(message, failure);
            return;
        }

        var lane = (int)((uint)command.Candidates[0].GetHashCode() % Lanes);
        _lanes[lane] = SendAsync(_lanes[lane], message, command, receivedAt: time.GetTimestamp());
    }

    private static Outcome<AddressedCommand> Read(RawMessage raw)
    {
        // Far more than any command: not worth decoding.
        if (raw.Encoded.Length > TelemetryLink.MaxMessageBytes)
        {
            return HubFailures.MessageTooLarge;
        }

        if (raw.TryDecode() is not { } message)
        {
            return HubFailures.FormatError.Saying("The message is not encoded as AMQP 1.0 says.");
        }

        if (!IncomingMessage.Read(message).TryGet(out var read, out var failure))
        {
            return failure;
        }

        if (!CommandWords.TryParse(read.Acknowledgement, out var acknowledgement))
        {
            return HubFailures.ArgumentInvalid.Saying("iothub-ack is none, positive, negative or full.");
        }

        var candidates = ReadTo(read.Properties.To);
        return candidates.Count == 0
            ? HubFailures.ArgumentInvalid.Saying("Properties.To is /devices/{id}/messages/devicebound or /devices/{id}/modules/{id}/messages/devicebound.")
            : new AddressedCommand(candidates, new CloudToDeviceMessage(read.Properties, read.Body.ToArray(), acknowledgement));
    }

    // Percent-decoded first, as both SDKs write it; then as it stands (spec/service-amqp.md 4).
    private static IReadOnlyList<IdentityId> ReadTo(string? to)
    {
        if (LinkAddress.TryParse(to) is not { } address
            || DeviceAddress.TryRead(address, peerSends: false) is not { Kind: DeviceLinkKind.Commands } target)
        {
            return [];
        }

        // TryRead puts the raw spelling first and the form-encoded one, which no back end means, last.
        var decoded = target.Candidates.Count > 1 ? target.Candidates[1] : target.Candidates[0];
        return decoded == target.Candidates[0] ? [decoded] : [decoded, target.Candidates[0]];
    }

    private async Task SendAsync(Task before, Message message, AddressedCommand command, long receivedAt)
    {
        await before;
        HubFailure? failure = null;
        try
        {
            foreach (var id in command.Candidates)
            {
                failure = await sender.SendAsync(id, command.Message, request.Connection.Devices.Closed, waited: time.GetElapsedTime(receivedAt));
                if (failure?.Code is not (HubErrorCode.DeviceNotFound or HubErrorCode.ModuleNotFound))
                {
                    break;
                }
            }
        }
        catch (OperationCanceledException)
        {
            failure = HubFailures.Unavailable; // The connection has ended.
        }
        catch (Exception e)
        {
            Log.SendFailed(logger, e, command.Candidates[0].ToString());
            failure = e is IOException ? HubFailures.Unavailable : HubFailures.ServerError;
        }

        Answer(message, failure);
    }

    private void Answer(Message message, HubFailure? failure)
    {
        try
        {
            _link.DisposeMessage(message, failure is null ? new Accepted() : new Rejected { Error = LinkRequest.ToError(failure) }, settled: true);
            var inHand = Interlocked.Decrement(ref _inHand);
            if (Interlocked.Increment(ref _answered) % (Window / 2) == 0 && !_link.IsClosed)
            {
                _link.SetCredit(Window - inHand, drain: false, autoRestore: false);
            }
        }
        catch (Exception e) when (AmqpConnection.IsEngineClosed(e))
        {
            // The back end left without the outcome: it may send again, and the device then gets it twice.
        }

        message.Dispose();
    }

    private sealed record AddressedCommand(IReadOnlyList<IdentityId> Candidates, CloudToDeviceMessage Message);

    private static partial class Log
    {
        [LoggerMessage(2235, LogLevel.Error, "A command for {DeviceId} could not be queued")]
        public static partial void SendFailed(ILogger logger, Exception exception, string deviceId);
    }
}
