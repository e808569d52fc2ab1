using System.Diagnostics.Metrics;

namespace Nave.Tokens;

/// <summary>What the token service counts. No label holds what a stranger chose.</summary>
public sealed class TokenMetrics : IDisposable
{
    private readonly Counter<long> _requests;
    private readonly Histogram<double> _duration;

    public TokenMetrics()
    {
        _requests = Meter.CreateCounter<long>("nave_tokens_requests_total", description: "Requests for a token by check and outcome");
        _duration = Meter.CreateHistogram(
            "nave_tokens_request_duration_seconds", description: "Time to judge a request and to sign",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5] });
    }

    /// <summary>The service's meter, for whoever shows or exports it.</summary>
    public Meter Meter { get; } = new("Nave.Tokens");

    /// <inheritdoc/>
    public void Dispose() => Meter.Dispose();

    /// <summary>A request has been answered.</summary>
    internal void Answered(string check, IssueOutcome outcome, TimeSpan took)
    {
        var word = outcome switch
        {
            IssueOutcome.Issued => "issued",
            IssueOutcome.Refused => "refused",
            IssueOutcome.Delayed { IsFailureDelay: true } => "delayed",
            IssueOutcome.Delayed => "busy",
            _ => "unavailable",
        };
        _requests.Add(1, new("check", check), new("outcome", word));
        _duration.Record(took.TotalSeconds, new KeyValuePair<string, object?>("check", check));
    }

    /// <summary>A request was no request for a token.</summary>
    internal void Malformed() => _requests.Add(1, new("check", "none"), new("outcome", "malformed"));

    /// <summary>Shows how many password hashes run or wait.</summary>
    internal void Watch(Func<long> passwordQueue) =>
        Meter.CreateObservableGauge("nave_tokens_password_queue", passwordQueue, description: "Password hashes that run or wait");
}
