using System.Net;
using Microsoft.Extensions.Logging;
using Nave.Storage.Audit;

namespace Nave.Tokens;

/// <summary>What the token service writes into its audit trail. Holds no secret and no token.</summary>
public sealed class TokenAudit(string? folder, TimeProvider time, ILogger<TokenAudit> logger) : IAsyncDisposable
{
    private readonly AuditTrail _trail = new(folder, time, logger);

    /// <summary>A trail that keeps nothing.</summary>
    public static TokenAudit None(TimeProvider time, ILogger<TokenAudit> logger) => new(null, time, logger);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _trail.DisposeAsync();

    internal void Issued(string check, IssueOutcome.Issued issued, IPAddress address) => _trail.Write("issued", json =>
    {
        json.WriteString("check", check);
        json.WriteString("identity", AuditTrail.Cut(issued.Identity));
        json.WriteString("address", address.ToString());
        json.WriteString("deviceId", issued.Token.Device.Value);
        json.WriteString("expiresAt", issued.Token.ExpiresAt);
    });

    internal void Refused(string check, string? identity, IPAddress address, string reason) =>
        _trail.Refused(new AuditRefusal(check, identity, address.ToString(), reason));
}
