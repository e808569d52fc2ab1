using System.Diagnostics;

namespace Nave.Conformance.Tests.Harness;

/// <summary>A mosquitto client with any arguments.</summary>
internal static class Mosquitto
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>Runs the program to its end.</summary>
    /// <returns>Everything that it printed.</returns>
    public static async Task<string> RunAsync(string program, CancellationToken stopping, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        deadline.CancelAfter(Patience);
        try
        {
            await process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw new TimeoutException($"{program} did not end:\n{await output}{await errors}");
        }

        return await output + await errors;
    }
}
