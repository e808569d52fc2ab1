using System.Net.Sockets;
using System.Security.Authentication;
using Amqp;
using Amqp.Framing;
using Nave.Protocol.Errors;

namespace Nave.PskGateway.Upstream;

/// <summary>What a hub says by AMQP conditions, in the words of the error catalogue (spec/device-amqp.md 10).</summary>
internal static class HubErrors
{
    // A hub's text goes to the operator's log: long enough to tell something, no longer.
    private const int MaxDetail = 200;
    private const int ThrottledStatus = 429;

    private static readonly Dictionary<string, HubFailure> ByCondition = new(StringComparer.Ordinal)
    {
        ["amqp:unauthorized-access"] = HubFailures.Unauthorized,
        ["amqp:not-found"] = HubFailures.DeviceNotFound,
        ["amqp:link:stolen"] = HubFailures.TakenOver,
        ["amqp:resource-locked"] = HubFailures.TakenOver,
        ["amqp:not-allowed"] = HubFailures.InvalidOperation,
        ["amqp:not-implemented"] = HubFailures.NotImplemented,
        ["amqp:link:message-size-exceeded"] = HubFailures.MessageTooLarge,
        ["amqp:resource-limit-exceeded"] = HubFailures.QuotaExceeded,
        ["amqp:decode-error"] = HubFailures.FormatError,
        ["com.microsoft:argument-error"] = HubFailures.ArgumentInvalid,
        ["com.microsoft:argument-out-of-range"] = HubFailures.ArgumentInvalid,
        ["com.microsoft:device-container-throttled"] = HubFailures.Throttled,
        ["com.microsoft:message-lock-lost"] = HubFailures.LockLost,
        ["com.microsoft:quota-exceeded"] = HubFailures.QuotaExceeded,
        ["com.microsoft:timeout"] = HubFailures.Timeout,
    };

    /// <summary>The gateway stops.</summary>
    public static HubFailure Stopping { get; } = HubFailures.Unavailable.Because("The gateway stops.");

    /// <summary>The connection, session or link went, or the hub takes nothing for now: to be tried again.</summary>
    public static HubFailure Lost(string why) => HubFailures.Unavailable.Because(Cut(why));

    /// <summary>What an error of the hub means; what is not in the table may be tried again.</summary>
    public static HubFailure Of(Error? error)
    {
        var condition = error?.Condition?.ToString();
        var failure = condition is not null && ByCondition.TryGetValue(condition, out var known) ? known : HubFailures.Unavailable;
        return failure.Because(Cut(error is null ? "The hub closed it without a reason." : $"{condition}: {error.Description}"));
    }

    /// <summary>What has become of a message. What may be sent again counts as lost: the device must not take it for delivered.</summary>
    public static SendResult ToSendResult(HubFailure? failure) =>
        failure is null ? new(SendOutcome.Accepted)
        : IsTransient(failure) ? new(SendOutcome.Lost, failure.Detail)
        : new(SendOutcome.Rejected, failure.Detail);

    /// <summary>Why a device's way to the hub has ended.</summary>
    public static HubClosing ToClosing(HubFailure failure) =>
        ReferenceEquals(failure, Stopping) ? HubClosing.Stopping
        : failure.Code == HubFailures.TakenOver.Code ? HubClosing.TakenOver
        : IsTransient(failure) ? HubClosing.ConnectionLost
        : HubClosing.NotAllowed;

    /// <summary>Why the hub does not take a device.</summary>
    public static HubRefusal ToRefusal(HubFailure failure) =>
        failure.HttpStatus == ThrottledStatus || failure.Code == HubFailures.QuotaExceeded.Code ? HubRefusal.Throttled
        : IsTransient(failure) ? HubRefusal.Unreachable
        : HubRefusal.NotAllowed;

    private static bool IsTransient(HubFailure failure) =>
        failure.HttpStatus is >= 500 or ThrottledStatus || failure.Code == HubFailures.QuotaExceeded.Code;

    /// <summary>Whether the engine says in one of its ways that a link, session or connection has ended.</summary>
    public static bool IsClosed(Exception exception) =>
        exception is AmqpException or ObjectDisposedException or IOException or InvalidOperationException;

    /// <summary>Whether a connection could not be opened, for a reason that lies outside this program.</summary>
    public static bool IsConnectFailure(Exception exception) =>
        IsClosed(exception) || exception is SocketException or AuthenticationException or TimeoutException or OperationCanceledException;

    private static string Cut(string text) => text.Length <= MaxDetail ? text : text[..MaxDetail];
}
