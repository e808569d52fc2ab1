using System.Diagnostics.CodeAnalysis;

namespace Nave.Protocol.Errors;

/// <summary>
/// One way for an operation to fail, with its form in each protocol. Values come from <see cref="HubFailures"/>; heads
/// translate them and invent none.
/// </summary>
/// <param name="Code">The service's number and name.</param>
/// <param name="HttpStatus">Status of an HTTP answer.</param>
/// <param name="AmqpCondition">Condition of a rejected delivery, detach or end.</param>
/// <param name="Connack">What an MQTT CONNECT is answered with. After the connect MQTT can only close.</param>
/// <param name="Message">What the peer is told. Never holds <c>;</c> (Node clients cut there) and never a secret.</param>
public sealed record HubFailure(HubErrorCode Code, int HttpStatus, string AmqpCondition, ConnackCode Connack, string Message)
{
    /// <summary>What the operator is told beyond <see cref="Message"/>; goes to logs and monitoring, never to the peer.</summary>
    public string? Detail { get; init; }

    /// <summary>When it is worth trying again, where that is known: <c>Retry-After</c> over HTTP.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>The same failure in other words for the peer.</summary>
    public HubFailure Saying(string message) => this with { Message = message.Replace(';', ',') };

    /// <summary>The same failure with an explanation for the operator.</summary>
    public HubFailure Because(string detail) => this with { Detail = detail };
}

/// <summary>MQTT 3.1.1 return codes of CONNACK (spec/device-mqtt.md 2.2).</summary>
public enum ConnackCode
{
    /// <summary>Connected.</summary>
    Accepted = 0,

    /// <summary>The protocol level is not served.</summary>
    UnacceptableProtocolLevel = 1,

    /// <summary>Client id and user name disagree, or the id is malformed.</summary>
    IdentifierRejected = 2,

    /// <summary>Starting, draining, throttled, internal error: clients retry.</summary>
    ServerUnavailable = 3,

    /// <summary>The user name cannot be parsed.</summary>
    BadUserName = 4,

    /// <summary>Unknown or disabled identity, bad credential.</summary>
    NotAuthorized = 5,
}

/// <summary>A value or the reason why there is none.</summary>
public readonly record struct Outcome<T>
    where T : class
{
    private Outcome(T? value, HubFailure? failure)
    {
        Value = value;
        Failure = failure;
    }

    /// <summary>The value, or null on failure.</summary>
    public T? Value { get; }

    /// <summary>The failure, or null on success.</summary>
    public HubFailure? Failure { get; }

    /// <summary>Takes the outcome apart.</summary>
    /// <returns>Whether there is a value.</returns>
    public bool TryGet([NotNullWhen(true)] out T? value, [NotNullWhen(false)] out HubFailure? failure)
    {
        value = Value;
        failure = Failure;
        return value is not null;
    }

    public static implicit operator Outcome<T>(T value) => new(value, null);

    public static implicit operator Outcome<T>(HubFailure failure) => new(null, failure);
}
