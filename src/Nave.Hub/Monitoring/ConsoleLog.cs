using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Nave.Hub.Hosting;

namespace Nave.Hub.Monitoring;

/// <summary>
/// The log on the console: short lines for people, coloured only on a terminal, or one JSON object a line. Text that
/// strangers chose is cut and its control characters are escaped (design.md 4).
/// </summary>
public sealed class ConsoleLog(TextWriter output, ConsoleFormat format, bool isTerminal, LogLevel least, TimeProvider time) : ILoggerProvider
{
    // The longest message the hub writes itself stays well below it.
    private const int MaxMessageLength = 2000;

    private readonly Lock _lock = new();

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    /// <inheritdoc/>
    public void Dispose() => output.Flush();

    private void Write(LogLevel level, EventId id, string category, string message, IReadOnlyList<KeyValuePair<string, object?>>? holes, Exception? exception)
    {
        var line = format is ConsoleFormat.Json
            ? JsonLine(level, id, category, message, holes, exception)
            : TextLine(level, message, exception);
        lock (_lock)
        {
            output.WriteLine(line);
            output.Flush();
        }
    }

    private string TextLine(LogLevel level, string message, Exception? exception)
    {
        var (word, colour) = level switch
        {
            LogLevel.Critical => ("crit ", "\x1b[1;31m"),
            LogLevel.Error => ("error", "\x1b[31m"),
            LogLevel.Warning => ("warn ", "\x1b[33m"),
            LogLevel.Information => ("info ", "\x1b[32m"),
            LogLevel.Debug => ("debug", "\x1b[2m"),
            _ => ("trace", "\x1b[2m"),
        };
        var line = new StringBuilder(time.GetLocalNow().ToString("HH:mm:ss.fff ", null));
        line.Append(isTerminal ? $"{colour}{word}\x1b[0m " : $"{word} ").Append(Printable(message));
        if (exception is not null)
        {
            // An exception of our own making: its lines are worth having as they are.
            line.AppendLine().Append(exception);
        }

        return line.ToString();
    }

    private string JsonLine(
        LogLevel level, EventId id, string category, string message, IReadOnlyList<KeyValuePair<string, object?>>? holes, Exception? exception)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("time", time.GetUtcNow());
            json.WriteString("level", level.ToString());
            json.WriteNumber("event", id.Id);
            json.WriteString("category", category);
            json.WriteString("message", Cut(message));
            foreach (var (name, value) in holes ?? [])
            {
                if (name is not "{OriginalFormat}")
                {
                    json.WriteString(name, Cut(Convert.ToString(value, null) ?? ""));
                }
            }

            if (exception is not null)
            {
                json.WriteString("exception", exception.ToString());
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }

    private static string Cut(string text) => text.Length <= MaxMessageLength ? text : text[..MaxMessageLength] + "…";

    private static string Printable(string text)
    {
        text = Cut(text);
        if (!text.Any(char.IsControl))
        {
            return text;
        }

        var clean = new StringBuilder(text.Length + 16);
        foreach (var character in text)
        {
            clean.Append(char.IsControl(character) ? $"\\u{(int)character:x4}" : character.ToString());
        }

        return clean.ToString();
    }

    private sealed class Logger(ConsoleLog log, string category) : ILogger
    {
        // What the frameworks below us say at Information is theirs, not ours.
        private readonly LogLevel _least = category.StartsWith("Nave.", StringComparison.Ordinal) || log.Least > LogLevel.Warning
            ? log.Least
            : LogLevel.Warning;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= _least && logLevel is not LogLevel.None;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                log.Write(logLevel, eventId, category, formatter(state, exception), state as IReadOnlyList<KeyValuePair<string, object?>>, exception);
            }
        }
    }

    private LogLevel Least => least;
}
