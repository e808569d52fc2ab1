using System.Collections.Concurrent;

namespace Nave.Hub.Access;

/// <summary>Policies that last as long as the process.</summary>
internal sealed class InMemoryPolicyStore : IPolicyStore
{
    private readonly ConcurrentDictionary<string, SharedAccessPolicy> _policies = new(StringComparer.OrdinalIgnoreCase);

    /// <inheritdoc/>
    public Task<IReadOnlyList<SharedAccessPolicy>> ListAsync(CancellationToken stopping) =>
        Task.FromResult<IReadOnlyList<SharedAccessPolicy>>([.. _policies.Values]);

    /// <inheritdoc/>
    public Task<bool> AddAsync(IReadOnlyList<SharedAccessPolicy> policies, CancellationToken stopping)
    {
        lock (_policies)
        {
            var isFree = !policies.Any(policy => _policies.ContainsKey(policy.Name));
            foreach (var policy in isFree ? policies : [])
            {
                _policies[policy.Name] = policy;
            }

            return Task.FromResult(isFree);
        }
    }

    /// <inheritdoc/>
    public Task<bool> ReplaceAsync(SharedAccessPolicy policy, long expectedVersion, CancellationToken stopping)
    {
        lock (_policies)
        {
            var isCurrent = _policies.TryGetValue(policy.Name, out var stored) && stored.Version == expectedVersion;
            if (isCurrent)
            {
                _policies[policy.Name] = policy;
            }

            return Task.FromResult(isCurrent);
        }
    }

    /// <inheritdoc/>
    public Task<bool> DeleteAsync(string name, long expectedVersion, CancellationToken stopping)
    {
        lock (_policies)
        {
            return Task.FromResult(
                _policies.TryGetValue(name, out var stored) && stored.Version == expectedVersion && _policies.TryRemove(name, out _));
        }
    }
}
