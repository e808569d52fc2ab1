using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Nave.TestKit;

/// <summary>Keeps what was logged; an Error or Critical that the test has not expected by its event id fails it.</summary>
public sealed class StrictLogger(params int[] expected) : ILogger
{
    private readonly ConcurrentQueue<(LogLevel Level, int Id, string Text)> _entries = new();

    public IEnumerable<(LogLevel Level, int Id, string Text)> Entries => _entries;

    /// <summary>Hears the id of each entry, on the thread that logs.</summary>
    public Action<int>? Logged { get; set; }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        _entries.Enqueue((logLevel, eventId.Id, formatter(state, exception) + (exception is null ? "" : $" ({exception.Message})")));
        Logged?.Invoke(eventId.Id);
    }

    /// <summary>To be called at the end of a test.</summary>
    public void ThrowIfUnexpected()
    {
        var bad = _entries.Where(entry => entry.Level >= LogLevel.Error && !expected.Contains(entry.Id)).ToList();
        if (bad.Count > 0)
        {
            throw new InvalidOperationException("Logged unexpectedly: " + string.Join("; ", bad.Select(entry => $"{entry.Id} {entry.Text}")));
        }
    }
}
