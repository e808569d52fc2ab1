using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Spectre.Console;

namespace Nave.Bench.Scenarios;

/// <summary>What a scenario found.</summary>
internal interface IScenarioResult
{
    /// <summary>Why the figures must not be used; empty when they may.</summary>
    IReadOnlyList<string> Void { get; }
}

/// <summary>What a scenario works with.</summary>
/// <param name="Directory">On the disk under test; removed afterwards.</param>
/// <param name="NaveProgram">nave's program; null for the one built beside the bench.</param>
/// <param name="Progress">Standard error, for people.</param>
internal sealed record ScenarioSpace(string Directory, string? NaveProgram, IAnsiConsole Progress);

/// <summary>
/// What every scenario does around its measurement: a directory on the disk to measure, progress on standard error, the
/// result as a table or as JSON, and the exit code (1: void or impossible, 2: wrong usage).
/// </summary>
internal sealed class ScenarioFrame
{
    private const int WidthOfProgress = 140; // A terminal may break a line; the console must not.
    private const int WidthOfFiles = 180; // Without a terminal the console would take 80 and break the table.

    private static int _runs; // Two may run in one process: in tests.

    private readonly Option<string?> _data = new("--data")
    {
        Description = "directory on the disk to measure; a temporary directory in it is used and removed",
    };

    private readonly Option<string?> _nave = new("--nave") { Description = "nave's program; left out: the one built beside" };
    private readonly Option<bool> _json = new("--json") { Description = "the result as JSON on standard output" };

    public ScenarioFrame(Command command)
    {
        command.Options.Add(_data);
        command.Options.Add(_nave);
        command.Options.Add(_json);
    }

    public async Task<int> RunAsync<TResult>(
        ParseResult parsed,
        Func<ScenarioSpace, Task<TResult>> measure,
        JsonTypeInfo<TResult> json,
        Action<IAnsiConsole, TResult> show)
        where TResult : IScenarioResult
    {
        var streams = parsed.InvocationConfiguration;
        var progress = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(streams.Error) });
        progress.Profile.Width = Math.Max(progress.Profile.Width, WidthOfProgress);
        var directory = Directory.CreateDirectory(Path.Combine(
            Path.GetFullPath(parsed.GetValue(_data) ?? Path.GetTempPath()), $"nave-bench-{Environment.ProcessId}-{Interlocked.Increment(ref _runs)}"));
        try
        {
            var result = await measure(new ScenarioSpace(directory.FullName, parsed.GetValue(_nave), progress));
            if (parsed.GetValue(_json))
            {
                await streams.Output.WriteLineAsync(JsonSerializer.Serialize(result, json));
            }
            else
            {
                Show(AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(streams.Output) }), result, show);
            }

            return result.Void.Count is 0 ? 0 : 1;
        }
        catch (FormatException e)
        {
            progress.MarkupLineInterpolated($"[red]{e.Message}[/]");
            return 2;
        }
        catch (Exception e) when (e is PeerUnavailableException or HttpRequestException)
        {
            progress.MarkupLineInterpolated($"[red]{e.Message}[/]");
            return 1;
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static void Show<TResult>(IAnsiConsole console, TResult result, Action<IAnsiConsole, TResult> show)
        where TResult : IScenarioResult
    {
        if (!console.Profile.Out.IsTerminal)
        {
            console.Profile.Width = WidthOfFiles;
        }

        show(console, result);
        foreach (var reason in result.Void)
        {
            console.MarkupLineInterpolated($"[red]void: {reason}[/]");
        }
    }
}
