using System.Diagnostics;
using System.Text;

namespace Nave.Conformance.Tests.Harness;

/// <summary>The tool as its users run it, against the hub of a data directory.</summary>
internal static class NaveTool
{
    /// <summary>Runs one command line to its end.</summary>
    public static Task<ToolResult> RunAsync(OutsideHub hub, CancellationToken stopping, params string[] arguments) =>
        RunAsync(hub, "", stopping, arguments);

    /// <summary>Runs one command line with text on its standard input.</summary>
    public static async Task<ToolResult> RunAsync(OutsideHub hub, string input, CancellationToken stopping, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "nave.dll"), .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardInputEncoding = new UTF8Encoding(false),
        };
        start.Environment["NAVE_DATA"] = hub.Data;
        using var process = Process.Start(start)!;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        deadline.CancelAfter(TimeSpan.FromSeconds(90));
        try
        {
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
            var output = process.StandardOutput.ReadToEndAsync(deadline.Token);
            var errors = process.StandardError.ReadToEndAsync(deadline.Token);
            await process.WaitForExitAsync(deadline.Token);
            return new ToolResult(process.ExitCode, (await output).TrimEnd(), (await errors).TrimEnd());
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw new TimeoutException($"nave {string.Join(' ', arguments)} did not end within 90 s.");
        }
    }
}

/// <summary>How a run of the tool ended.</summary>
internal sealed record ToolResult(int ExitCode, string Output, string Errors)
{
    /// <summary>The output of a run that must have succeeded.</summary>
    public string Done()
    {
        Assert.True(ExitCode == 0, $"exit code {ExitCode}: {Errors}\n{Output}");
        return Output;
    }
}
