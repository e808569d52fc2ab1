using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Http;

/// <summary>What the service API tells the operator of its requests. Handlers return at once and do not throw.</summary>
internal sealed class ServiceSignals
{
    /// <summary>Raised when a request has its answer.</summary>
    public event Action<ServiceAnswered>? Answered;

    /// <summary>Tells of one.</summary>
    public void Tell(in ServiceAnswered answered) => Answered?.Invoke(answered);
}

/// <summary>A request that was answered.</summary>
/// <param name="Verb">GET and others.</param>
/// <param name="Pattern">The route, with its braces.</param>
/// <param name="Device">Whom the path names, or null.</param>
/// <param name="IsConditional">Whether it has an If-Match.</param>
/// <param name="Policy">Whose token it came with; null where it was refused.</param>
/// <param name="UserAgent">As the client says, or null.</param>
/// <param name="Failure">Why it was refused, or null.</param>
/// <param name="Took">How long it took.</param>
internal readonly record struct ServiceAnswered(
    string Verb, string Pattern, string? Device, bool IsConditional, string? Policy, string? UserAgent, HubFailure? Failure, TimeSpan Took);
