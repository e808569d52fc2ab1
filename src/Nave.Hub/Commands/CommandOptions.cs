namespace Nave.Hub.Commands;

/// <summary>Section <c>CloudToDevice</c>: the queues of commands (spec/messaging-semantics.md 1.1).</summary>
public sealed class CommandOptions
{
    /// <summary>Messages in one queue, enqueued and locked together. Default 50, as in the service.</summary>
    public int MaxQueued { get; set; } = 50;

    /// <summary>How long a message lives that names no expiry. 1 minute to 48 hours, default 1 hour.</summary>
    public TimeSpan DefaultTimeToLive { get; set; } = TimeSpan.FromHours(1);

    /// <summary>The longest life that a sender may ask for; a later expiry is cut to it. Default 48 hours.</summary>
    public TimeSpan MaxTimeToLive { get; set; } = TimeSpan.FromHours(48);

    /// <summary>Abandons until a message is dead-lettered with DeliveryCountExceeded. 1 to 100, default 10.</summary>
    public int MaxDeliveryCount { get; set; } = 10;

    /// <summary>How long a received message stays invisible. Default 60 seconds, as in the service.</summary>
    public TimeSpan LockDuration { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>Whether a lock that runs out or is lost counts towards <see cref="MaxDeliveryCount"/>: the rule of 2016. Default false, the rule of today.</summary>
    public bool CountLockTimeouts { get; set; }

    /// <summary>Body and properties of a message, in bytes. Default 65,536, as in the service.</summary>
    public int MaxMessageBytes { get; set; } = 65_536;

    /// <summary>How long unread feedback lives. 1 minute to 48 hours, default 1 hour.</summary>
    public TimeSpan FeedbackTimeToLive { get; set; } = TimeSpan.FromHours(1);

    /// <summary>How long a received feedback batch stays invisible. 5 to 300 seconds, default 60.</summary>
    public TimeSpan FeedbackLockDuration { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>Deliveries of one feedback batch before it is dropped. 1 to 100, default 10.</summary>
    public int FeedbackMaxDeliveryCount { get; set; } = 10;
}
