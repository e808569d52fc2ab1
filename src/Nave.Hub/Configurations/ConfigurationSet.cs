using Nave.Storage;

namespace Nave.Hub.Configurations;

/// <summary>All configurations, in memory: an immutable list, swapped whole after each change in SQL.</summary>
internal sealed class ConfigurationSet(HubDatabase database)
{
    private IReadOnlyList<Configuration> _all = [];

    /// <summary>From the weakest to the strongest; deleted ones until they have left every twin.</summary>
    public IReadOnlyList<Configuration> All => Volatile.Read(ref _all);

    /// <summary>Whether a change of a twin can matter to any.</summary>
    public bool IsEmpty => All.Count == 0;

    /// <summary>Raised after a reload. Handlers return at once.</summary>
    public event Action? Changed;

    /// <summary>Reads them from SQL.</summary>
    public async Task LoadAsync(CancellationToken stopping)
    {
        Volatile.Write(ref _all, await database.ReadAsync(ConfigurationStore.List, stopping));
        Changed?.Invoke();
    }
}
