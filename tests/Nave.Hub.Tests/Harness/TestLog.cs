using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Nave.Hub.Tests.Harness;

/// <summary>Keeps what was logged, so that an Error or Critical that nobody expected fails the test.</summary>
public sealed class TestLog : ILoggerProvider
{
    private readonly ConcurrentQueue<LogLine> _lines = new();

    /// <summary>Everything logged so far.</summary>
    public IReadOnlyCollection<LogLine> Lines => _lines;

    /// <summary>Event ids of errors that the test provokes.</summary>
    public ISet<int> Expected { get; } = new HashSet<int>();

    /// <summary>Fails when an Error or Critical was logged that is not expected.</summary>
    public void AssertNoErrors() => Assert.DoesNotContain(
        _lines, line => line.Level >= LogLevel.Error && !Expected.Contains(line.Id));

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new Logger(categoryName, _lines);

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private sealed class Logger(string category, ConcurrentQueue<LogLine> lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= (category.StartsWith("Nave.", StringComparison.Ordinal) ? LogLevel.Debug : LogLevel.Warning);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                lines.Enqueue(new LogLine(logLevel, eventId.Id, category, formatter(state, exception), exception));
            }
        }
    }
}

/// <summary>One logged line.</summary>
public sealed record LogLine(LogLevel Level, int Id, string Category, string Message, Exception? Exception);
