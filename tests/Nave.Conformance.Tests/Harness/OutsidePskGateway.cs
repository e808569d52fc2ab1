namespace Nave.Conformance.Tests.Harness;

/// <summary>A PSK gateway as its users run it, beside a hub and on the hub's address. Ended by its process id.</summary>
internal sealed class OutsidePskGateway : IAsyncDisposable
{
    /// <summary>Its port.</summary>
    public const int Port = 8884;

    private readonly OutsideHub _hub;
    private readonly string[] _arguments;
    private OutsideRole? _role;
    private string _printedBefore = "";

    private OutsidePskGateway(OutsideHub hub, string[] arguments)
    {
        _hub = hub;
        _arguments = arguments;
    }

    /// <summary>Where it listens.</summary>
    public string Address => _hub.Address;

    /// <summary>Everything it has printed, before kills too.</summary>
    public string Output => _printedBefore + _role?.Output;

    /// <summary>Makes keys for identities, each with a device of the hub, and starts.</summary>
    /// <returns>The gateway, and the keys in hex, by identity.</returns>
    public static async Task<(OutsidePskGateway Gateway, IReadOnlyDictionary<string, string> Keys)> StartAsync(
        OutsideHub hub, IReadOnlyDictionary<string, string> devices, CancellationToken stopping, params string[] arguments)
    {
        var keys = new Dictionary<string, string>();
        foreach (var (identity, device) in devices)
        {
            keys[identity] = await PskSite.AddKeyAsync(hub, identity, stopping, "--device-id", device);
        }

        var gateway = new OutsidePskGateway(hub, arguments);
        await gateway.StartAgainAsync(stopping);
        return (gateway, keys);
    }

    /// <summary>Starts it over the same keys, after a kill.</summary>
    public async Task StartAgainAsync(CancellationToken stopping)
    {
        await DisposeAsync();
        _printedBefore = Output;
        _role = await PskSite.RunGatewayAsync(_hub, stopping, _arguments);
    }

    /// <summary>SIGKILL.</summary>
    public Task KillAsync(CancellationToken stopping) => _role!.KillAsync(stopping);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _role?.DisposeAsync() ?? ValueTask.CompletedTask;
}
