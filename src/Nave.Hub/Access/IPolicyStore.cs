namespace Nave.Hub.Access;

/// <summary>Where policies are kept. Each write is one transaction and durable when it completes.</summary>
internal interface IPolicyStore
{
    /// <summary>All policies.</summary>
    Task<IReadOnlyList<SharedAccessPolicy>> ListAsync(CancellationToken stopping);

    /// <summary>Adds all of them or none.</summary>
    /// <returns>False when one of the names is taken.</returns>
    Task<bool> AddAsync(IReadOnlyList<SharedAccessPolicy> policies, CancellationToken stopping);

    /// <summary>Replaces a policy if its version is still the given one.</summary>
    Task<bool> ReplaceAsync(SharedAccessPolicy policy, long expectedVersion, CancellationToken stopping);

    /// <summary>Deletes a policy if its version is still the given one.</summary>
    Task<bool> DeleteAsync(string name, long expectedVersion, CancellationToken stopping);
}
