namespace Nave.Hub.Quotas;

/// <summary>What is limited by rate, one limit each for the whole hub (spec/messaging-semantics.md 3.2).</summary>
internal enum Metered
{
    /// <summary>Devices and modules that connect.</summary>
    Connects,

    /// <summary>Device-to-cloud sends: messages over MQTT, transfers over AMQP, requests over HTTPS.</summary>
    TelemetrySends,

    /// <summary>Commands that back ends send.</summary>
    CommandSends,

    /// <summary>Devices that ask for a command over HTTPS.</summary>
    CommandReceives,

    /// <summary>Reads and changes of device and module identities.</summary>
    RegistryOperations,

    /// <summary>Twins read, by devices and back ends.</summary>
    TwinReads,

    /// <summary>Twins changed, by devices and back ends.</summary>
    TwinUpdates,

    /// <summary>Direct methods, in blocks of 4 KB of payload.</summary>
    Methods,

    /// <summary>Pages of queries.</summary>
    Queries,

    /// <summary>Jobs created, read, listed and cancelled.</summary>
    JobOperations,

    /// <summary>Devices that jobs work on.</summary>
    JobDeviceOperations,

    /// <summary>Configurations read and changed.</summary>
    ConfigurationOperations,
}

/// <summary>How operations are called, and which of them cost units of the day.</summary>
internal static class MeteredWords
{
    /// <summary>All of them, in the order of the documentation.</summary>
    public static IReadOnlyList<Metered> All { get; } = Enum.GetValues<Metered>();

    /// <summary>For people.</summary>
    public static string Words(this Metered operation) => operation switch
    {
        Metered.Connects => "connects",
        Metered.TelemetrySends => "device-to-cloud sends",
        Metered.CommandSends => "cloud-to-device sends",
        Metered.CommandReceives => "cloud-to-device receives",
        Metered.RegistryOperations => "identity registry operations",
        Metered.TwinReads => "twin reads",
        Metered.TwinUpdates => "twin updates",
        Metered.Methods => "direct methods",
        Metered.Queries => "queries",
        Metered.JobOperations => "job operations",
        Metered.JobDeviceOperations => "job device operations",
        _ => "configuration operations",
    };

    /// <summary>For JSON, metrics and the database.</summary>
    public static string Name(this Metered operation) => char.ToLowerInvariant(operation.ToString()[0]) + operation.ToString()[1..];

    /// <summary>The option that sets its limit.</summary>
    public static string Option(this Metered operation) => "Quota:" + operation;

    /// <summary>
    /// Whether it costs units of the day (spec/messaging-semantics.md 3.1). Configurations that are applied do and their
    /// management does not: they are charged and never refused.
    /// </summary>
    public static bool IsRefusedWithoutUnits(this Metered operation) => operation is Metered.TelemetrySends or Metered.CommandSends
        or Metered.TwinReads or Metered.TwinUpdates or Metered.Methods or Metered.Queries or Metered.JobDeviceOperations;
}
