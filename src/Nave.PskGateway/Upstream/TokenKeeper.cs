using Microsoft.Extensions.Logging;
using Nave.Protocol.Errors;

namespace Nave.PskGateway.Upstream;

/// <summary>
/// Keeps the tokens of one connection alive: puts them, and puts new ones for the same audience before they end, which
/// leaves links untouched (spec/device-amqp.md 3.4). Owns no task of its own: <see cref="RunAsync"/> is the connection's.
/// </summary>
internal sealed partial class TokenKeeper(CbsLinks cbs, HubPolicy policy, UpstreamOptions options, TimeProvider time, ILogger logger)
{
    // The C SDK renews at 80 % of a token's life (spec/device-amqp.md 3.4): four ticks are left to try again.
    private const double RenewAt = 0.8;
    private const int TicksPerLife = 20;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, StandingToken> _standing = new(StringComparer.Ordinal);

    /// <summary>Puts a token and keeps it alive from then on.</summary>
    /// <param name="path">Empty for the whole hub, or <c>/devices/…</c>.</param>
    /// <param name="onRefused">Called when the hub refuses its successor, or none could be put in time.</param>
    /// <param name="stopping">Gives up waiting.</param>
    /// <returns>Why the hub does not take it, or null.</returns>
    public async Task<HubFailure?> HoldAsync(string path, Action<HubFailure> onRefused, CancellationToken stopping)
    {
        var standing = new StandingToken(path, onRefused);
        if (await PutAsync(standing, stopping) is { } failure)
        {
            return failure;
        }

        lock (_lock)
        {
            _standing[path] = standing;
        }

        return null;
    }

    /// <summary>Lets a token end, unless somebody else holds it by now.</summary>
    public void Drop(string path, Action<HubFailure> onRefused)
    {
        lock (_lock)
        {
            if (_standing.GetValueOrDefault(path)?.OnRefused == onRefused)
            {
                _standing.Remove(path);
            }
        }
    }

    /// <summary>Renews until cancelled.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        using var timer = new PeriodicTimer(options.TokenLife / TicksPerLife, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stopping))
            {
                foreach (var standing in Due())
                {
                    await RenewAsync(standing, stopping);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The connection has ended.
        }
    }

    private StandingToken[] Due()
    {
        var now = time.GetUtcNow();
        lock (_lock)
        {
            return [.. _standing.Values.Where(standing => standing.RenewAt <= now)];
        }
    }

    private async Task RenewAsync(StandingToken standing, CancellationToken stopping)
    {
        var endsAt = standing.ExpiresAt;
        if (await PutAsync(standing, stopping) is not { } failure)
        {
            Log.Renewed(logger, policy.Name, standing.Path);
            return;
        }

        // What is only trouble may pass before the old token ends.
        Log.NotRenewed(logger, policy.Name, standing.Path, failure.Code, failure.Detail);
        if (failure.HttpStatus < 500 || time.GetUtcNow() >= endsAt)
        {
            Drop(standing.Path, standing.OnRefused);
            standing.OnRefused(failure);
        }
    }

    private async Task<HubFailure?> PutAsync(StandingToken standing, CancellationToken stopping)
    {
        var now = time.GetUtcNow();
        var expiresAt = DateTimeOffset.FromUnixTimeSeconds((now + options.TokenLife).ToUnixTimeSeconds()); // Tokens end on whole seconds.
        var audience = policy.HostName + standing.Path;
        var failure = await cbs.PutTokenAsync(audience, policy.Mint(audience, expiresAt), options.AnswerTimeout, stopping);
        if (failure is null)
        {
            standing.ExpiresAt = expiresAt;
            standing.RenewAt = now + ((expiresAt - now) * RenewAt);
        }

        return failure;
    }

    private sealed class StandingToken(string path, Action<HubFailure> onRefused)
    {
        public string Path { get; } = path;

        public Action<HubFailure> OnRefused { get; } = onRefused;

        public DateTimeOffset ExpiresAt { get; set; }

        public DateTimeOffset RenewAt { get; set; }
    }

    private static partial class Log
    {
        [LoggerMessage(9250, LogLevel.Debug, "Token of policy {Policy} for '{Path}' renewed")]
        public static partial void Renewed(ILogger logger, string policy, string path);

        [LoggerMessage(9251, LogLevel.Warning, "The hub does not take a new token of policy {Policy} for '{Path}': {ErrorCode}, {Detail}")]
        public static partial void NotRenewed(ILogger logger, string policy, string path, HubErrorCode errorCode, string? detail);
    }
}
