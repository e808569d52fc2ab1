using System.Net;

namespace Nave.Hub.Access;

/// <summary>
/// How many refused credentials an address still has to its credit, asked before any signature is computed
/// (spec/security.md 10). A sixtieth of them comes back each second.
/// </summary>
internal sealed class FailureLimit(int limit, TimeProvider time)
{
    private readonly SpendTable? _failures = limit > 0 ? new SpendTable(limit, limit / 60.0, time) : null;

    /// <summary>Whether another attempt from the address is looked at.</summary>
    public bool MayTry(IPAddress? address) =>
        _failures is null || address is null || _failures.Spent(SpendTable.KeyOf(address)) < limit - 0.5;

    /// <summary>An attempt from the address was refused.</summary>
    public void Failed(IPAddress? address)
    {
        if (address is not null)
        {
            _failures?.Spend(SpendTable.KeyOf(address), 1);
        }
    }
}
