namespace Nave.Conformance.Tests.Harness;

/// <summary>A token service as its users run it, beside a hub and on the hub's address.</summary>
internal sealed class OutsideTokenService : IAsyncDisposable
{
    private readonly OutsideRole _role;

    private OutsideTokenService(OutsideHub hub, string data, OutsideRole role)
    {
        Url = $"https://{hub.Address}:8450/tokens";
        Data = data;
        _role = role;
    }

    public string Url { get; }

    public string Data { get; }

    /// <summary>Everything it has printed.</summary>
    public string Output => _role.Output;

    /// <summary>Starts it; the settings go into its environment, as secrets should.</summary>
    public static async Task<OutsideTokenService> StartAsync(
        OutsideHub hub, string data, IReadOnlyDictionary<string, string> settings, CancellationToken stopping, params string[] arguments) => new(
        hub, data,
        await OutsideRole.StartAsync(
            ["tokens", "run", "--hub-data", hub.Data, "--bind", hub.Address, "--host", hub.Address, "--data", data, .. arguments],
            settings, "Tokens are issued at", stopping));

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _role.DisposeAsync();
}
