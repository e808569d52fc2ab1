using System.Text.Json;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Nave.Storage.Audit;

/// <summary>
/// An audit trail: one JSON object a line in <c>audit.jsonl</c>, the oldest file deleted when there are enough. Refusals
/// that repeat within a minute are one line with a count, and there are at most so many different ones a minute: a flood
/// neither fills the disk nor pushes out what was granted. Any thread may call; who calls leaves secrets out.
/// </summary>
public sealed partial class AuditTrail : IAsyncDisposable
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
    private Dictionary<AuditRefusal, int> _refusals = [];
    private int _unlisted;

    /// <param name="folder">Where the file goes; null for no trail.</param>
    /// <param name="time">The wall clock.</param>
    /// <param name="logger">Is told when the file cannot be written.</param>
    public AuditTrail(string? folder, TimeProvider time, ILogger logger)
    {
        _path = folder is null ? null : Path.Combine(folder, "audit.jsonl");
        _time = time;
        _logger = logger;
        _writing = WriteAsync();
        _timer = time.CreateTimer(_ => Sum(), null, Pace, Pace);
    }

    /// <summary>Writes what is waiting, then closes.</summary>
    public async ValueTask DisposeAsync()
    {
        await _timer.DisposeAsync();
        Sum();
        _lines.Writer.TryComplete();
        await _writing;
    }

    /// <summary>Writes a line at once.</summary>
    /// <param name="what">Its <c>event</c>.</param>
    /// <param name="fields">Adds the others.</param>
    public void Write(string what, Action<Utf8JsonWriter> fields)
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

    /// <summary>Counts a refusal; its line, event <c>refused</c>, follows within a minute.</summary>
    public void Refused(AuditRefusal refusal)
    {
        var key = refusal with { Identity = refusal.Identity is null ? null : Cut(refusal.Identity) };
        lock (_lock)
        {
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

    /// <summary>Text that a stranger chose, at most so long.</summary>
    public static string Cut(string text) => text.Length <= LongestText ? text : text[..LongestText] + "…";

    private void Sum()
    {
        Dictionary<AuditRefusal, int> refusals;
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

    private static partial class Log
    {
        [LoggerMessage(7020, LogLevel.Error, "The audit trail {Path} cannot be written, and lines are lost: {Problem}")]
        public static partial void NotWritten(ILogger logger, string path, string problem);
    }
}

/// <summary>What tells refusals apart.</summary>
/// <param name="Check">What refused.</param>
/// <param name="Identity">Who was claimed; null where nobody was.</param>
/// <param name="Address">From where.</param>
/// <param name="Reason">Why.</param>
public readonly record struct AuditRefusal(string Check, string? Identity, string Address, string Reason);
