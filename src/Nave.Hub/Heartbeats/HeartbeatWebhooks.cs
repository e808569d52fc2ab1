using System.Collections.Concurrent;
using System.Data.Common;
using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Nave.Protocol.Errors;
using Nave.Storage;
using Nave.Storage.Keys;
using Nave.Storage.Schema;

namespace Nave.Hub.Heartbeats;

/// <summary>
/// Alerts on their way to the operator's own addresses, in order, signed, and tried again until they are taken or a day
/// old. Alerts lie in SQL, written with the transitions they come from; each webhook keeps how far it has come, so a
/// receiver that is away loses none, and one that is slow holds up nobody else.
/// </summary>
internal sealed partial class HeartbeatWebhooks : BackgroundService
{
    /// <summary>Signature of the time and the body.</summary>
    public const string SignatureHeader = "Nave-Signature";

    /// <summary>When the request was signed, Unix seconds.</summary>
    public const string TimestampHeader = "Nave-Timestamp";

    /// <summary>The alert's number: the same each time it is sent.</summary>
    public const string IdHeader = "Nave-Event-Id";

    private const int MaxWebhooks = 16;
    private const int BatchSize = 64;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LastRetry = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Kept = TimeSpan.FromDays(1);

    /// <summary>Alerts that wait for webhooks.</summary>
    public static readonly SchemaPart Schema = new(
        "heartbeat_alerts",
        ["""
        CREATE TABLE heartbeat_alerts (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT, at {long} NOT NULL, kind {text} NOT NULL, body {blob} NOT NULL);

        CREATE TABLE webhooks (
            name {text} NOT NULL PRIMARY KEY, url {text} NOT NULL, secret {blob} NOT NULL, done {long} NOT NULL) {keyed};
        """]);

    private readonly HubDatabase _database;
    private readonly KeyWrapping _wrapping;
    private readonly TimeProvider _time;
    private readonly ILogger<HeartbeatWebhooks> _logger;
    private readonly ConcurrentDictionary<string, Sender> _senders = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _ending = new();
    private readonly HttpClient _http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseProxy = false,
        UseCookies = false,
        ConnectTimeout = Patience,
        ConnectCallback = WebhookAddresses.ConnectAsync,
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
    })
    {
        Timeout = Patience,
        MaxResponseContentBufferSize = 64 * 1024,
    };

    public HeartbeatWebhooks(HubDatabase database, KeyWrapping wrapping, TimeProvider time, ILogger<HeartbeatWebhooks> logger)
    {
        _database = database;
        _wrapping = wrapping;
        _time = time;
        _logger = logger;
    }

    /// <summary>Whether anybody waits for alerts.</summary>
    public bool HasAny => !_senders.IsEmpty;

    /// <summary>Adds an alert to the unit of what it tells of. Does nothing where there is no webhook.</summary>
    public void Add(SqlSession session, HeartbeatNotice alert)
    {
        if (HasAny)
        {
            session.Execute(
                "INSERT INTO heartbeat_alerts (at, kind, body) VALUES (@at, @kind, @body)",
                ("@at", _time.GetUtcNow().UtcTicks), ("@kind", alert.Kind), ("@body", alert.Body));
        }
    }

    /// <summary>There are new alerts, and they are committed.</summary>
    public void WakeUp()
    {
        foreach (var sender in _senders.Values)
        {
            sender.WakeUp();
        }
    }

    /// <summary>The webhooks, without their secrets.</summary>
    public async Task<List<JsonObject>> ListAsync(CancellationToken stopping) => [.. (await ReadAsync(stopping)).Select(hook => new JsonObject
    {
        ["name"] = hook.Name,
        ["url"] = hook.Url,
        ["lastError"] = _senders.TryGetValue(hook.Name, out var sender) ? sender.LastError : null,
        ["delivered"] = sender?.Delivered ?? 0,
    })];

    /// <summary>Sets a webhook; it gets what happens from now on. The secret is made here and shown this once.</summary>
    public async Task<Outcome<JsonObject>> PutAsync(string name, string url, CancellationToken stopping)
    {
        if (name.Length is 0 or > 64 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_'))
        {
            return HubFailures.ArgumentInvalid.Saying("A webhook's name has 1 to 64 letters, digits and . - _");
        }

        if (!Uri.TryCreate(url, UriKind.Absolute, out var address) || address.Scheme is not ("https" or "http") || url.Length > 2048
            || address.UserInfo.Length > 0
            || (System.Net.IPAddress.TryParse(address.IdnHost, out var literal) && !WebhookAddresses.IsAllowed(literal)))
        {
            return HubFailures.ArgumentInvalid.Saying(
                "'url' is an http or https address without a password in it, and no link-local or metadata address.");
        }

        if (!_senders.ContainsKey(name) && _senders.Count >= MaxWebhooks)
        {
            return HubFailures.ArgumentInvalid.Saying($"A hub has at most {MaxWebhooks} webhooks.");
        }

        var secret = RandomNumberGenerator.GetBytes(32);
        await _database.WriteAsync(
            session => session.Execute(
                """
                INSERT INTO webhooks (name, url, secret, done) VALUES (@name, @url, @secret, coalesce((SELECT max(sequence) FROM heartbeat_alerts), 0))
                ON CONFLICT (name) DO UPDATE SET url = excluded.url, secret = excluded.secret
                """,
                ("@name", name), ("@url", address.AbsoluteUri), ("@secret", _wrapping.Wrap(secret, Context(name)))),
            stopping);
        Start(new Webhook(name, address.AbsoluteUri, secret));
        return new JsonObject { ["name"] = name, ["url"] = address.AbsoluteUri, ["secret"] = Convert.ToBase64String(secret) };
    }

    /// <summary>Takes a webhook away.</summary>
    public async Task<bool> DeleteAsync(string name, CancellationToken stopping)
    {
        if (_senders.TryRemove(name, out var sender))
        {
            sender.Stop();
        }

        return await _database.WriteAsync(session => session.Execute("DELETE FROM webhooks WHERE name = @name", ("@name", name)), stopping) > 0;
    }

    /// <summary>The signature: HMAC-SHA256 of the timestamp, a point and the body, in hex.</summary>
    public static string Sign(ReadOnlySpan<byte> secret, string timestamp, ReadOnlySpan<byte> body) =>
        "v1=" + Convert.ToHexStringLower(HMACSHA256.HashData(secret, [.. Encoding.ASCII.GetBytes(timestamp), (byte)'.', .. body]));

    /// <inheritdoc/>
    public override void Dispose()
    {
        _ending.Dispose();
        _http.Dispose();
        base.Dispose();
    }

    /// <inheritdoc/>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await _ending.CancelAsync();
        await Task.WhenAll(_senders.Values.Select(sender => sender.Running));
        await base.StopAsync(cancellationToken);
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            foreach (var hook in await ReadAsync(stoppingToken))
            {
                Start(hook);
            }

            // What everybody has, or is too old, goes.
            using var timer = new PeriodicTimer(TimeSpan.FromMinutes(1), _time);
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                await CleanAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The next start goes on.
        }
        catch (Exception e) // The runner's last line.
        {
            Log.Failed(_logger, e);
        }
    }

    private async Task CleanAsync(CancellationToken stopping)
    {
        try
        {
            var old = _time.GetUtcNow().Subtract(Kept).UtcTicks;
            var gone = await _database.WriteAsync(
                session => session.Execute(
                    "DELETE FROM heartbeat_alerts WHERE at < @old OR sequence <= (SELECT coalesce(min(done), 0) FROM webhooks)", ("@old", old)),
                stopping);
            Log.Cleaned(_logger, gone);
        }
        catch (StorageUnavailableException)
        {
            // The next minute tries again.
        }
    }

    private Task<List<Webhook>> ReadAsync(CancellationToken stopping) => _database.ReadAsync(
        session => session.List(
            "SELECT name, url, secret FROM webhooks ORDER BY name",
            row => new Webhook(row.GetString(0), row.GetString(1), _wrapping.Unwrap((byte[])row[2], Context(row.GetString(0))))),
        stopping);

    private static string Context(string name) => "webhook/" + name;

    private void Start(Webhook hook)
    {
        var sender = new Sender(this, hook, CancellationTokenSource.CreateLinkedTokenSource(_ending.Token));
        _senders.AddOrUpdate(
            hook.Name,
            sender,
            (_, before) =>
            {
                before.Stop();
                return sender;
            });
        sender.Start();
    }

    /// <summary>A webhook with its secret.</summary>
    private sealed record Webhook(string Name, string Url, byte[] Secret)
    {
        public override string ToString() => Name;
    }

    /// <summary>Sends to one address, one alert at a time.</summary>
    private sealed class Sender(HeartbeatWebhooks home, Webhook hook, CancellationTokenSource ending)
    {
        private readonly AsyncSignal _arrivals = new();

        public string? LastError { get; private set; }

        public long Delivered { get; private set; }

        public Task Running { get; private set; } = Task.CompletedTask;

        public void Start() => Running = RunAsync(ending.Token);

        public void Stop() => ending.Cancel();

        public void WakeUp() => _arrivals.Set();

        private async Task RunAsync(CancellationToken stopping)
        {
            try
            {
                while (true)
                {
                    var batch = await NextAsync(stopping);
                    foreach (var alert in batch)
                    {
                        await DeliverAsync(alert, stopping);
                        await DoneAsync(alert.Sequence, stopping);
                    }

                    if (batch.Count == 0)
                    {
                        await _arrivals.WaitAsync(stopping);
                    }
                }
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                // The next start goes on after the last one done.
            }
            catch (Exception e) // The runner's last line.
            {
                Log.Failed(home._logger, e);
            }
        }

        private Task<List<Alert>> NextAsync(CancellationToken stopping) => home._database.ReadAsync(
            session => session.List(
                """
                SELECT sequence, at, kind, body FROM heartbeat_alerts
                WHERE sequence > (SELECT done FROM webhooks WHERE name = @name) ORDER BY sequence LIMIT @top
                """,
                Alert.Read, ("@name", hook.Name), ("@top", BatchSize)),
            stopping);

        private async Task DeliverAsync(Alert alert, CancellationToken stopping)
        {
            for (var wait = FirstRetry; home._time.GetUtcNow() - alert.At < Kept; wait = wait * 2 < LastRetry ? wait * 2 : LastRetry)
            {
                var error = await TryDeliverAsync(alert, stopping);
                if (error is null)
                {
                    LastError = null;
                    Delivered++;
                    return;
                }

                if (LastError is null)
                {
                    Log.NotTaken(home._logger, hook.Name, error); // Once per trouble.
                }

                LastError = error;
                await Task.Delay(wait, home._time, stopping);
            }

            Log.GivenUp(home._logger, hook.Name, alert.Sequence);
        }

        private async Task<string?> TryDeliverAsync(Alert alert, CancellationToken stopping)
        {
            // The receiver refuses what is too old: signed anew each time.
            var timestamp = home._time.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
            using var request = new HttpRequestMessage(HttpMethod.Post, hook.Url) { Content = new ByteArrayContent(alert.Envelope) };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json", "utf-8");
            request.Headers.Add(TimestampHeader, timestamp);
            request.Headers.Add(IdHeader, alert.Sequence.ToString(CultureInfo.InvariantCulture));
            request.Headers.Add(SignatureHeader, Sign(hook.Secret, timestamp, alert.Envelope));
            try
            {
                using var answer = await home._http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, stopping);
                return answer.IsSuccessStatusCode ? null : $"answered {(int)answer.StatusCode}";
            }
            catch (HttpRequestException e)
            {
                return e.Message;
            }
            catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
            {
                return $"no answer within {Patience.TotalSeconds} s";
            }
        }

        private async Task DoneAsync(long sequence, CancellationToken stopping)
        {
            try
            {
                await home._database.WriteAsync(
                    session => session.Execute("UPDATE webhooks SET done = @done WHERE name = @name", ("@done", sequence), ("@name", hook.Name)), stopping);
            }
            catch (StorageUnavailableException)
            {
                // It may be sent twice: it has its number.
            }
        }
    }

    private sealed record Alert(long Sequence, DateTimeOffset At, byte[] Envelope)
    {
        public static Alert Read(DbDataReader row)
        {
            var (sequence, at) = (row.GetInt64(0), new DateTimeOffset(row.GetInt64(1), TimeSpan.Zero));
            var envelope = new JsonObject
            {
                ["id"] = sequence,
                ["kind"] = row.GetString(2),
                ["at"] = HeartbeatJson.Text(at),
                ["data"] = JsonNode.Parse((byte[])row[3]),
            };
            return new Alert(sequence, at, Encoding.UTF8.GetBytes(envelope.ToJsonString()));
        }
    }

    private static partial class Log
    {
        [LoggerMessage(8110, LogLevel.Warning, "The webhook {Name} takes no alerts; they wait for it: {Reason}")]
        public static partial void NotTaken(ILogger logger, string name, string reason);

        [LoggerMessage(8111, LogLevel.Warning, "The webhook {Name} did not take alert {Number} for a day: it is given up")]
        public static partial void GivenUp(ILogger logger, string name, long number);

        [LoggerMessage(8112, LogLevel.Error, "Webhooks are no longer served; alerts are kept in the database")]
        public static partial void Failed(ILogger logger, Exception e);

        [LoggerMessage(8113, LogLevel.Trace, "{Count} alerts that no webhook waits for are gone")]
        public static partial void Cleaned(ILogger logger, int count);
    }
}
