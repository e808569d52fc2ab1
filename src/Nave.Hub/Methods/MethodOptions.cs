namespace Nave.Hub.Methods;

/// <summary>Section <c>Methods</c>: direct methods (spec/service-rest.md 7).</summary>
public sealed class MethodOptions
{
    /// <summary>The least that a back end may give a device to answer.</summary>
    internal static readonly TimeSpan MinResponseTimeout = TimeSpan.FromSeconds(5);

    /// <summary>Where the back end names none.</summary>
    internal static readonly TimeSpan DefaultResponseTimeout = TimeSpan.FromSeconds(30);

    /// <summary>The longest time that a back end may give a device to answer. Default 300 seconds, as in the service.</summary>
    public TimeSpan MaxResponseTimeout { get; set; } = TimeSpan.FromSeconds(300);

    /// <summary>The longest time that a back end may have the hub wait for a device to connect. Default 300 seconds, as in the service.</summary>
    public TimeSpan MaxConnectTimeout { get; set; } = TimeSpan.FromSeconds(300);

    /// <summary>Payload of a request and of an answer, in bytes of JSON. Default 131,072, as in the service.</summary>
    public int MaxPayloadBytes { get; set; } = 131_072;

    /// <summary>Calls to one device or module that may be pending at a time. Default 50.</summary>
    public int MaxPendingPerDevice { get; set; } = 50;

    /// <summary>Calls that may be pending in all. Default 10,000.</summary>
    public int MaxPending { get; set; } = 10_000;
}
