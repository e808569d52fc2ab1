using System.Data.Common;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Nave.Protocol.Identities;
using Nave.Tokens.Checks;
using Nave.Tokens.Limits;

namespace Nave.Tokens.Secrets;

/// <summary>
/// Judges names and secrets by <see cref="SecretTable"/>. What it costs depends on the form of what was sent only: a
/// generated secret two keyed hashes, anything else one Argon2id in the queue, whether the name is known or not.
/// </summary>
public sealed partial class SecretTableCheck : ICredentialCheck
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(5);

    private readonly SecretTable _table;
    private readonly PasswordQueue _queue;
    private readonly Seldom _seldom;
    private readonly ILogger _logger;

    /// <param name="table">The table.</param>
    /// <param name="metrics">Shows the queue of password hashes, one a core.</param>
    /// <param name="time">Monotonic time.</param>
    /// <param name="logger">Told when the table cannot be read.</param>
    public SecretTableCheck(SecretTable table, TokenMetrics metrics, TimeProvider time, ILogger<SecretTableCheck> logger)
        : this(table, new PasswordQueue(Environment.ProcessorCount, time), time, logger) => metrics.Watch(() => _queue.Count);

    internal SecretTableCheck(SecretTable table, PasswordQueue queue, TimeProvider time, ILogger<SecretTableCheck> logger)
    {
        _table = table;
        _queue = queue;
        _seldom = new Seldom(time);
        _logger = logger;
    }

    /// <inheritdoc/>
    public string Name => "secrets";

    /// <inheritdoc/>
    public bool Judges(PresentedCredential credential) => credential is { Identity: not null, Secret: not null };

    /// <inheritdoc/>
    public async ValueTask<CheckResult> CheckAsync(PresentedCredential credential, IPAddress address, CancellationToken stopping)
    {
        var (identity, secret) = (credential.Identity!, credential.Secret!);

        // A place in the queue first: without one the table is not even asked.
        var isGenerated = GeneratedSecret.HasForm(secret);
        if (!isGenerated && !_queue.TryEnter(address, out var retryAfter))
        {
            return new CheckResult.Busy(retryAfter);
        }

        return isGenerated
            ? Judge(await FindAsync(identity, stopping), rows => JudgeGenerated(rows, identity, secret))
            : await _queue.RunAsync(address, identity, secret, JudgeChosenAsync, stopping);
    }

    private async Task<CheckResult> JudgeChosenAsync(string identity, string secret, CancellationToken stopping) =>
        Judge(await FindAsync(identity, stopping), rows => JudgeChosen(rows, identity, secret));

    private static CheckResult Judge(IReadOnlyList<SecretRow>? rows, Func<IReadOnlyList<SecretRow>, CheckResult> judge) =>
        rows is null ? new CheckResult.Unavailable("the table of secrets cannot be read", RetryAfter) : judge(rows);

    private CheckResult JudgeGenerated(IReadOnlyList<SecretRow> rows, string identity, string secret)
    {
        var candidates = rows
            .Select(row => (Row: row, Verifier: Verifier.TryParse(row.Verifier) as Verifier.Generated))
            .Where(candidate => candidate.Verifier is not null)
            .Take(SecretTable.MostPerKind)
            .ToList();
        SecretRow? right = null;
        for (var i = 0; i < SecretTable.MostPerKind; i++)
        {
            var (row, verifier) = i < candidates.Count ? candidates[i] : default;
            right = _table.Hasher.IsGenerated(verifier, identity, row?.DeviceId ?? "", secret) ? row : right;
        }

        return Answer(rows, right, identity);
    }

    private CheckResult JudgeChosen(IReadOnlyList<SecretRow> rows, string identity, string password)
    {
        var (row, verifier) = rows
            .Select(row => (Row: row, Verifier: Verifier.TryParse(row.Verifier) as Verifier.Chosen))
            .FirstOrDefault(candidate => candidate.Verifier is not null);
        return Answer(rows, _table.Hasher.IsChosen(verifier, identity, row?.DeviceId ?? "", password) ? row : null, identity);
    }

    private static CheckResult Answer(IReadOnlyList<SecretRow> rows, SecretRow? right, string identity) =>
        right is null ? new CheckResult.Refused(rows.Count == 0 ? "the identity is unknown or its secrets have expired" : "the secret is wrong")
        : DeviceId.TryParse(right.DeviceId, out var device) ? new CheckResult.Granted(device, identity)
        : new CheckResult.Refused($"the table's device id is none: {IdentityText.Rule}");

    private async Task<IReadOnlyList<SecretRow>?> FindAsync(string identity, CancellationToken stopping)
    {
        try
        {
            return await _table.FindAsync(identity, stopping);
        }
        catch (Exception e) when (e is DbException or SocketException or IOException or TimeoutException)
        {
            if (_seldom.MaySay())
            {
                Log.CannotRead(_logger, _table.Description, e.Message);
            }

            return null;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(9010, LogLevel.Warning, "The table of secrets in {Database} cannot be read, nobody is let in by it: {Problem}")]
        public static partial void CannotRead(ILogger logger, string database, string problem);
    }
}
