using System.Collections.Frozen;
using System.Net;
using Microsoft.Extensions.Logging;
using Nave.Protocol;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;

namespace Nave.Hub.Access;

/// <summary>
/// The shared access policies. Reads are from a snapshot in memory, swapped whole; writes go to the store first and are
/// conditional on the version read. <see cref="Changed"/> is raised after a change is durable and visible here.
/// </summary>
internal sealed partial class PolicyRegistry(IPolicyStore store, TimeProvider time, ILogger<PolicyRegistry> logger) : IDisposable
{
    private static readonly (string Name, AccessRights Rights)[] BuiltIn =
    [
        ("iothubowner", AccessRights.RegistryRead | AccessRights.RegistryWrite | AccessRights.ServiceConnect | AccessRights.DeviceConnect),
        ("service", AccessRights.ServiceConnect),
        ("device", AccessRights.DeviceConnect),
        ("registryRead", AccessRights.RegistryRead),
        ("registryReadWrite", AccessRights.RegistryRead | AccessRights.RegistryWrite),
    ];

    private readonly SemaphoreSlim _writer = new(1, 1);
    private FrozenDictionary<string, SharedAccessPolicy> _policies = FrozenDictionary<string, SharedAccessPolicy>.Empty;

    /// <summary>Raised with the name of a policy that was changed or deleted.</summary>
    public event Action<string>? Changed;

    /// <summary>The policies as they are now, by name.</summary>
    public IReadOnlyList<SharedAccessPolicy> All =>
        [.. Volatile.Read(ref _policies).Values.OrderBy(policy => policy.Name, StringComparer.OrdinalIgnoreCase)];

    /// <summary>The policy of that name, or null.</summary>
    public SharedAccessPolicy? Find(string name) => Volatile.Read(ref _policies).GetValueOrDefault(name);

    /// <summary>
    /// Reads the store. A store without policies gets the five built-in ones with generated keys; then what is seeded and
    /// absent is created, and what is seeded and there is changed only with <paramref name="overwrite"/>.
    /// </summary>
    /// <exception cref="ArgumentException">A seed breaks a rule.</exception>
    public async Task LoadAsync(IReadOnlyList<PolicySeed> seeds, bool overwrite, CancellationToken stopping)
    {
        await _writer.WaitAsync(stopping);
        try
        {
            var stored = await store.ListAsync(stopping);
            var known = stored.Select(policy => policy.Name).ToHashSet(StringComparer.OrdinalIgnoreCase);
            var bySeed = seeds.ToDictionary(seed => seed.Name, StringComparer.OrdinalIgnoreCase);
            var wanted = stored.Count > 0 ? seeds : [.. seeds, .. BuiltIn.Where(policy => !bySeed.ContainsKey(policy.Name)).Select(PolicySeed.Of)];
            var created = wanted.Where(seed => !known.Contains(seed.Name)).Select(Create).ToList();
            if (stored.Count + created.Count > HubLimits.MaxPolicies)
            {
                throw new ArgumentException($"A hub has at most {HubLimits.MaxPolicies} shared access policies.", nameof(seeds));
            }

            if (created.Count > 0 && await store.AddAsync(created, stopping))
            {
                Log.Created(logger, string.Join(", ", created.Select(policy => policy.Name)));
            }

            foreach (var policy in overwrite ? stored.Where(policy => bySeed.ContainsKey(policy.Name)) : [])
            {
                var seeded = Overwrite(policy, bySeed[policy.Name]);
                if (seeded != policy)
                {
                    await store.ReplaceAsync(seeded with { Version = policy.Version + 1, UpdatedAt = time.GetUtcNow() }, policy.Version, stopping);
                    Log.Overwritten(logger, policy.Name);
                }
            }

            await RereadAsync(stopping);
        }
        finally
        {
            _writer.Release();
        }
    }

    /// <summary>Creates a policy; keys that are null are generated.</summary>
    public async Task<Outcome<SharedAccessPolicy>> CreateAsync(PolicySeed seed, PolicyBounds bounds, CancellationToken stopping)
    {
        if (Check(seed) is { } problem)
        {
            return HubFailures.ArgumentInvalid.Saying(problem);
        }

        await _writer.WaitAsync(stopping);
        try
        {
            if (Volatile.Read(ref _policies).Count >= HubLimits.MaxPolicies)
            {
                return HubFailures.ArgumentInvalid.Saying($"A hub has at most {HubLimits.MaxPolicies} shared access policies.");
            }

            var policy = Create(seed) with { DevicePattern = bounds.DevicePattern, Addresses = bounds.Addresses };
            if (!await store.AddAsync([policy], stopping))
            {
                return HubFailures.InvalidOperation.Saying($"A policy named '{seed.Name}' exists already.");
            }

            await RereadAsync(stopping);
            Log.Created(logger, policy.Name);
            return policy;
        }
        finally
        {
            _writer.Release();
        }
    }

    /// <summary>Changes rights and bounds; null leaves them as they are.</summary>
    public Task<Outcome<SharedAccessPolicy>> ChangeAsync(
        string name, AccessRights? rights, PolicyBounds? bounds, CancellationToken stopping) =>
        rights is AccessRights.None
            ? Task.FromResult<Outcome<SharedAccessPolicy>>(HubFailures.ArgumentInvalid.Saying("A policy needs at least one right."))
            : ReplaceAsync(
                name,
                policy => policy with
                {
                    Rights = AccessRightsText.Complete(rights ?? policy.Rights),
                    DevicePattern = bounds is null ? policy.DevicePattern : bounds.DevicePattern,
                    Addresses = bounds is null ? policy.Addresses : bounds.Addresses,
                },
                stopping);

    /// <summary>Replaces one key, by a generated one if none is given. Ends what was signed with the old one, and nothing else.</summary>
    public Task<Outcome<SharedAccessPolicy>> RollAsync(string name, SasSigner which, string? key, CancellationToken stopping)
    {
        if (key is not null && !SharedAccessKey.IsValid(key))
        {
            return Task.FromResult<Outcome<SharedAccessPolicy>>(HubFailures.ArgumentInvalid.Saying($"A key is {SharedAccessKey.Rule}."));
        }

        var fresh = key ?? SharedAccessKey.Generate();
        return ReplaceAsync(
            name,
            policy => which is SasSigner.Secondary ? policy with { SecondaryKey = fresh } : policy with { PrimaryKey = fresh },
            stopping);
    }

    /// <summary>Deletes a policy and ends what stands on it.</summary>
    public async Task<HubFailure?> DeleteAsync(string name, CancellationToken stopping)
    {
        await _writer.WaitAsync(stopping);
        try
        {
            if (Find(name) is not { } policy)
            {
                return NotFound(name);
            }

            var isDeleted = await store.DeleteAsync(policy.Name, policy.Version, stopping);
            await RereadAsync(stopping);
            return isDeleted ? null : HubFailures.PreconditionFailed;
        }
        finally
        {
            _writer.Release();
        }
    }

    /// <summary>Reads the store again, after another node has written to it.</summary>
    public async Task RereadAsync(CancellationToken stopping)
    {
        var stored = await store.ListAsync(stopping);
        var before = Volatile.Read(ref _policies);
        var after = stored.ToFrozenDictionary(policy => policy.Name, StringComparer.OrdinalIgnoreCase);
        Volatile.Write(ref _policies, after);
        foreach (var policy in before.Values.Where(policy => after.GetValueOrDefault(policy.Name)?.Version != policy.Version))
        {
            Changed?.Invoke(policy.Name);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _writer.Dispose();

    private async Task<Outcome<SharedAccessPolicy>> ReplaceAsync(
        string name, Func<SharedAccessPolicy, SharedAccessPolicy> change, CancellationToken stopping)
    {
        await _writer.WaitAsync(stopping);
        try
        {
            if (Find(name) is not { } policy)
            {
                return NotFound(name);
            }

            var changed = change(policy) with { Version = policy.Version + 1, UpdatedAt = time.GetUtcNow() };
            var isWritten = await store.ReplaceAsync(changed, policy.Version, stopping);
            await RereadAsync(stopping);
            return isWritten ? changed : HubFailures.PreconditionFailed;
        }
        finally
        {
            _writer.Release();
        }
    }

    private SharedAccessPolicy Create(PolicySeed seed) =>
        Check(seed) is { } problem ? throw new ArgumentException(problem, nameof(seed)) : new SharedAccessPolicy
        {
            Name = seed.Name,
            Rights = RightsOf(seed),
            PrimaryKey = seed.PrimaryKey ?? SharedAccessKey.Generate(),
            SecondaryKey = seed.SecondaryKey ?? SharedAccessKey.Generate(),
            CreatedAt = time.GetUtcNow(),
            UpdatedAt = time.GetUtcNow(),
        };

    private static SharedAccessPolicy Overwrite(SharedAccessPolicy policy, PolicySeed seed) =>
        Check(seed) is { } problem ? throw new ArgumentException(problem, nameof(seed)) : policy with
        {
            Rights = seed.Rights is null ? policy.Rights : RightsOf(seed),
            PrimaryKey = seed.PrimaryKey ?? policy.PrimaryKey,
            SecondaryKey = seed.SecondaryKey ?? policy.SecondaryKey,
        };

    private static AccessRights RightsOf(PolicySeed seed) => AccessRightsText.Complete(
        seed.Rights ?? BuiltIn.FirstOrDefault(policy => policy.Name.Equals(seed.Name, StringComparison.OrdinalIgnoreCase)).Rights);

    private static string? Check(PolicySeed seed) =>
        !SharedAccessPolicy.IsName(seed.Name) ? $"A policy's name has 1 to {SharedAccessPolicy.MaxNameLength} letters, digits and _ @ . -"
        : RightsOf(seed) is AccessRights.None ? $"The policy '{seed.Name}' needs at least one right."
        : (seed.PrimaryKey ?? seed.SecondaryKey) is not null && !(IsKeyOrNull(seed.PrimaryKey) && IsKeyOrNull(seed.SecondaryKey))
            ? $"A key of the policy '{seed.Name}' is not {SharedAccessKey.Rule}."
        : null;

    private static bool IsKeyOrNull(string? key) => key is null || SharedAccessKey.IsValid(key);

    private static HubFailure NotFound(string name) => HubFailures.AddressNotFound.Saying($"There is no policy named '{name}'.");

    private static partial class Log
    {
        [LoggerMessage(1010, LogLevel.Information, "Shared access policies created: {Policies}")]
        public static partial void Created(ILogger logger, string policies);

        [LoggerMessage(1011, LogLevel.Information, "The shared access policy {Policy} was overwritten from the configuration")]
        public static partial void Overwritten(ILogger logger, string policy);
    }
}

/// <summary>A policy to create. Keys that are null are generated; rights that are null are those of the built-in policy of that name.</summary>
internal sealed record PolicySeed(string Name, AccessRights? Rights = null, string? PrimaryKey = null, string? SecondaryKey = null)
{
    internal static PolicySeed Of((string Name, AccessRights Rights) builtIn) => new(builtIn.Name, builtIn.Rights);

    /// <summary>The name; the record's own text would hold the keys.</summary>
    public override string ToString() => Name;
}

/// <summary>What a policy is narrowed to: devices by pattern, addresses by network (design.md 3).</summary>
internal sealed record PolicyBounds(string? DevicePattern, IReadOnlyList<IPNetwork> Addresses)
{
    /// <summary>No bounds.</summary>
    public static PolicyBounds None { get; } = new(null, []);
}
