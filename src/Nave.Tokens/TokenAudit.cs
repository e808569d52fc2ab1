using System.Net;
using System.Text.Json;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Nave.Tokens;

/// <summary>
/// The audit trail: one JSON object a line in <c>audit.jsonl</c>, the oldest file deleted when there are enough. Refusals
/// that repeat within a minute are one line with a count, and there are at most so many different ones a minute: a flood
/// neither fills the disk nor pushes out what was issued. Holds no secret and no token.
/// </summary>
public sealed partial class TokenAudit : IAsyncDisposable
{
    private const long FileBytes = 16 << 20;
    private const int Files = 8;
    private const int MostRefusalsPerMinute = 1000;
    private const int Waiting = 4096;
    private const int LongestText = 256;

    private static readonly TimeSpan Pace = TimeSpan.FromMinutes(1);

    private readonly string? _path;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Channel<byte[]> _lines = Channel.CreateBounded<byte[]>(
        new BoundedChannelOptions(Waiting) { SingleReader = true, FullMode = BoundedChannelFullMode.DropWrite });

    private readonly Lock _lock = new();
    private readonly Task _writing;
    private readonly ITimer _timer;
    private Dictionary<(string Check, string? Identity, string Address, string Reason), int> _refusals = [];
    private int _unlisted;

    /// <param name="folder">Where the file goes; null for no trail.</param>
    /// <param name="time">The wall clock.</param>
    /// <param name="logger">Told when the file cannot be written.</param>
    public TokenAudit(string? folder, TimeProvider time, ILogger<TokenAudit> logger)
    {
        _path = folder is null ? null : Path.Combine(folder, "audit.jsonl");
        _time = time;
        _logger = logger;
        _writing = WriteAsync();
        _timer = time.CreateTimer(_ => Sum(), null, Pace, Pace);
    }

    /// <summary>A trail that keeps nothing.</summary>
    public static TokenAudit None(TimeProvider time, ILogger<TokenAudit> logger) => new(null, time, logger);

    /// <summary>Writes what is waiting, then closes.</summary>
    public async ValueTask DisposeAsync()
    {
        await _timer.DisposeAsync();
        Sum();
        _lines.Writer.TryComplete();
        await _writing;
    }

    internal void Issued(string check, IssueOutcome.Issued issued, IPAddress address) => Write("issued", json =>
    {
        json.WriteString("check", check);
        json.WriteString("identity", Cut(issued.Identity));
        json.WriteString("address", address.ToString());
        json.WriteString("deviceId", issued.Token.Device.Value);
        json.WriteString("expiresAt", issued.Token.ExpiresAt);
    });

    internal void Refused(string check, string? identity, IPAddress address, string reason)
    {
        lock (_lock)
        {
            var key = (check, identity is null ? null : Cut(identity), address.ToString(), reason);
            if (_refusals.TryGetValue(key, out var count))
            {
                _refusals[key] = count + 1;
            }
            else if (_refusals.Count < MostRefusalsPerMinute)
            {
                _refusals[key] = 1;
            }
            else
            {
                _unlisted++;
            }
        }
    }

    private void Sum()
    {
        Dictionary<(string Check, string? Identity, string Address, string Reason), int> refusals;
        int unlisted;
        lock (_lock)
        {
            (refusals, _refusals) = (_refusals, []);
            (unlisted, _unlisted) = (_unlisted, 0);
        }

        foreach (var (key, count) in refusals)
        {
            Write("refused", json =>
            {
                json.WriteString("check", key.Check);
                json.WriteString("identity", key.Identity);
                json.WriteString("address", key.Address);
                json.WriteString("reason", key.Reason);
                json.WriteNumber("count", count);
            });
        }

        if (unlisted > 0)
        {
            Write("refused", json => json.WriteNumber("othersNotListed", unlisted));
        }
    }

    private void Write(string what, Action<Utf8JsonWriter> fields)
    {
        if (_path is null)
        {
            return;
        }

        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("time", _time.GetUtcNow());
            json.WriteString("event", what);
            fields(json);
            json.WriteEndObject();
        }

        buffer.WriteByte((byte)'\n');
        _lines.Writer.TryWrite(buffer.ToArray());
    }

    private async Task WriteAsync()
    {
        await Task.Yield();
        await foreach (var line in _lines.Reader.ReadAllAsync())
        {
            try
            {
                await AppendAsync(line);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Log.NotWritten(_logger, _path!, e.Message);
            }
        }
    }

    private async Task AppendAsync(byte[] line)
    {
        if (new FileInfo(_path!) is { Exists: true, Length: > FileBytes })
        {
            for (var i = Files - 1; i > 0; i--)
            {
                var older = i == 1 ? _path! : $"{_path}.{i - 1}";
                if (File.Exists(older))
                {
                    File.Move(older, $"{_path}.{i}", overwrite: true);
                }
            }
        }

        var options = new FileStreamOptions { Mode = FileMode.Append, Access = FileAccess.Write, Share = FileShare.Read };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        await using var file = new FileStream(_path!, options);
        await file.WriteAsync(line);
        while (_lines.Reader.TryRead(out var next))
        {
            await file.WriteAsync(next);
        }
    }

    private static string Cut(string text) => text.Length <= LongestText ? text : text[..LongestText] + "…";

    private static partial class Log
    {
        [LoggerMessage(9005, LogLevel.Error, "The audit trail {Path} cannot be written, and lines are lost: {Problem}")]
        public static partial void NotWritten(ILogger logger, string path, string problem);
    }
}
