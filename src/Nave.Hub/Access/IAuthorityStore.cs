using System.Collections.Concurrent;

namespace Nave.Hub.Access;

/// <summary>Where certificate authorities are kept. Each write is one transaction and durable when it completes.</summary>
internal interface IAuthorityStore
{
    /// <summary>All authorities.</summary>
    Task<IReadOnlyList<CertificateAuthority>> ListAsync(CancellationToken stopping);

    /// <summary>Adds an authority; false when the name is taken.</summary>
    Task<bool> AddAsync(CertificateAuthority authority, CancellationToken stopping);

    /// <summary>Replaces an authority if its version is still the given one.</summary>
    Task<bool> ReplaceAsync(CertificateAuthority authority, long expectedVersion, CancellationToken stopping);

    /// <summary>Deletes an authority if its version is still the given one.</summary>
    Task<bool> DeleteAsync(string name, long expectedVersion, CancellationToken stopping);
}

/// <summary>Authorities that last as long as the process.</summary>
internal sealed class InMemoryAuthorityStore : IAuthorityStore
{
    private readonly ConcurrentDictionary<string, CertificateAuthority> _authorities = new(StringComparer.OrdinalIgnoreCase);

    /// <inheritdoc/>
    public Task<IReadOnlyList<CertificateAuthority>> ListAsync(CancellationToken stopping) =>
        Task.FromResult<IReadOnlyList<CertificateAuthority>>([.. _authorities.Values]);

    /// <inheritdoc/>
    public Task<bool> AddAsync(CertificateAuthority authority, CancellationToken stopping) =>
        Task.FromResult(_authorities.TryAdd(authority.Name, authority));

    /// <inheritdoc/>
    public Task<bool> ReplaceAsync(CertificateAuthority authority, long expectedVersion, CancellationToken stopping) =>
        Task.FromResult(
            _authorities.TryGetValue(authority.Name, out var stored) && stored.Version == expectedVersion
            && _authorities.TryUpdate(authority.Name, authority, stored));

    /// <inheritdoc/>
    public Task<bool> DeleteAsync(string name, long expectedVersion, CancellationToken stopping) =>
        Task.FromResult(
            _authorities.TryGetValue(name, out var stored) && stored.Version == expectedVersion
            && _authorities.TryRemove(KeyValuePair.Create(name, stored)));
}
