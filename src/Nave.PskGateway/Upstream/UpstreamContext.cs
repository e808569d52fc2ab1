using Microsoft.Extensions.Logging;

namespace Nave.PskGateway.Upstream;

/// <summary>What everything on the hub side shares.</summary>
/// <param name="Options">Settings.</param>
/// <param name="Address">Where the hub is.</param>
/// <param name="Policy">In whose name.</param>
/// <param name="Time">The clock.</param>
/// <param name="NewId">Ids that nobody else has.</param>
/// <param name="Logger">Where it is told.</param>
internal sealed record UpstreamContext(
    UpstreamOptions Options, HubAddress Address, HubPolicy Policy, TimeProvider Time, Func<Guid> NewId, ILogger Logger)
{
    /// <summary>Bytes on their way to the hub, of all devices.</summary>
    public SendWindow Window { get; } = new(Options.PendingSendBytes);
}
