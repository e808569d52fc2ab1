using System.Collections.Concurrent;
using Nave.Hub.Access;
using Nave.Hub.Devices;
using Nave.Protocol.Identities;

namespace Nave.Hub.Tests.Access;

/// <summary>An identity registry in memory with the rules that access relies on: modules follow their device's status.</summary>
internal sealed class InMemoryIdentities : IIdentitySource
{
    private readonly ConcurrentDictionary<IdentityId, DeviceIdentity> _identities = new();
    private long _generation = 638_000_000_000_000_000;

    public event Action<DeviceIdentity?, DeviceIdentity?>? Changed;

    public int Lookups { get; private set; }

    /// <summary>Changes so far.</summary>
    public long Stamp { get; private set; } = 1;

    public long StampOf(IdentityId id) => Stamp;

    /// <summary>Done once, behind the next look-up and before its answer.</summary>
    public Action? OnceRead { get; set; }

    /// <summary>Thrown by look-ups while it is set.</summary>
    public Exception? Failure { get; set; }

    public DeviceIdentity Create(string id, IdentityAuthentication authentication)
    {
        var parts = id.Split('/');
        var identityId = new IdentityId(DeviceId.Parse(parts[0]), parts.Length > 1 ? ModuleId.Parse(parts[1]) : null);
        var identity = new DeviceIdentity
        {
            Id = identityId,
            GenerationId = Interlocked.Increment(ref _generation).ToString(),
            ETag = "1",
            Authentication = authentication,
        };
        _identities[identityId] = identity;
        Stamp++;
        Changed?.Invoke(null, identity);
        return identity;
    }

    public DeviceIdentity CreateWithKeys(string id, string primary, string secondary) => Create(
        id, new IdentityAuthentication(AuthenticationType.Sas) { PrimaryKey = primary, SecondaryKey = secondary });

    public void Change(IdentityId id, Func<DeviceIdentity, DeviceIdentity> change)
    {
        var before = _identities[id];
        var after = change(before);
        _identities[id] = after;
        Stamp++;
        Changed?.Invoke(before, after);
    }

    public void Delete(IdentityId id)
    {
        Assert.True(_identities.TryRemove(id, out var before));
        Stamp++;
        Changed?.Invoke(before, null);
    }

    public ValueTask<DeviceIdentity?> FindAsync(IdentityId id, CancellationToken stopping)
    {
        Lookups++;
        if (Failure is not null)
        {
            return ValueTask.FromException<DeviceIdentity?>(Failure);
        }

        if (!_identities.TryGetValue(id, out var identity))
        {
            return ValueTask.FromResult<DeviceIdentity?>(null);
        }

        var once = OnceRead;
        OnceRead = null;
        once?.Invoke();
        var device = id.IsModule ? _identities.GetValueOrDefault(new IdentityId(id.Device)) : identity;
        return ValueTask.FromResult<DeviceIdentity?>(identity with { IsEnabled = device is null || device.IsEnabled });
    }
}
