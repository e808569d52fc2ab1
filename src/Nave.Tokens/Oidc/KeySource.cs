using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;

namespace Nave.Tokens.Oidc;

/// <summary>
/// The issuer's keys, from the one configured address and nowhere else. Read at most once a minute, whatever tokens
/// name; hourly at least, so that a withdrawn key goes; after a day without an answer nobody is let in.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "A semaphore without a wait handle holds nothing, and lives as long as the process.")]
internal sealed partial class KeySource(HttpClient http, Uri url, TimeProvider time, ILogger logger)
{
    private const int MostBytes = 256 << 10;

    private static readonly TimeSpan LeastPause = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Fresh = TimeSpan.FromHours(1);
    private static readonly TimeSpan Stale = TimeSpan.FromHours(24);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim _reading = new(1);
    private SigningKeys _keys = SigningKeys.None;
    private long? _readAt;
    private long? _triedAt;

    /// <summary>The key of that name; not known when the keys cannot be read.</summary>
    public async Task<(SigningKeys.SigningKey? Key, bool AreKnown)> FindAsync(string? id, CancellationToken stopping)
    {
        var key = Volatile.Read(ref _keys).Find(id);
        if ((key is null || !IsWithin(_readAt, Fresh)) && !IsWithin(_triedAt, LeastPause))
        {
            await RefreshAsync(stopping);
            key = Volatile.Read(ref _keys).Find(id);
        }

        return IsWithin(_readAt, Stale) ? (key, true) : (null, false);
    }

    private bool IsWithin(long? since, TimeSpan span) => since is { } at && time.GetElapsedTime(at) < span;

    private async Task RefreshAsync(CancellationToken stopping)
    {
        await _reading.WaitAsync(stopping);
        try
        {
            if (IsWithin(_triedAt, LeastPause))
            {
                return; // Somebody else has just asked.
            }

            _triedAt = time.GetTimestamp();
            using var deadline = new CancellationTokenSource(Patience, time);
            if (SigningKeys.TryParse(await ReadAsync(deadline.Token)) is { Count: > 0 } keys)
            {
                Volatile.Write(ref _keys, keys);
                _readAt = time.GetTimestamp();
                return;
            }

            Log.NoKeys(logger, url);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            Log.NotRead(logger, url, (e.InnerException ?? e).Message);
        }
        finally
        {
            _reading.Release();
        }
    }

    // Not the caller's token: one device that gives up must not cost the others a minute.
    private async Task<byte[]> ReadAsync(CancellationToken deadline)
    {
        using var answer = await http.GetAsync(url, HttpCompletionOption.ResponseHeadersRead, deadline);
        answer.EnsureSuccessStatusCode();
        await using var body = await answer.Content.ReadAsStreamAsync(deadline);
        var buffer = new byte[MostBytes + 1];
        var length = await body.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, deadline);
        return length <= MostBytes ? buffer[..length] : throw new IOException($"it is longer than {MostBytes} bytes");
    }

    private static partial class Log
    {
        // At most once a minute, by LeastPause.
        [LoggerMessage(9020, LogLevel.Warning, "The issuer's keys at {Url} cannot be read; those known go on for a day: {Problem}")]
        public static partial void NotRead(ILogger logger, Uri url, string problem);

        [LoggerMessage(9021, LogLevel.Warning, "{Url} holds no key that verifies signatures; those known go on for a day")]
        public static partial void NoKeys(ILogger logger, Uri url);
    }
}
