using System.CommandLine;
using System.Security.Cryptography.X509Certificates;

namespace Nave.Bench.Servers;

/// <summary>What the servers of this program are told: a port, and the files of a certificate for TLS.</summary>
internal sealed class ServerOptions
{
    private readonly Option<int> _port = new("--port") { Description = "loopback port to listen on; 0: any free one" };
    private readonly Option<string?> _certificate = new("--certificate") { Description = "PEM file of a certificate: TLS instead of plain TCP" };
    private readonly Option<string?> _key = new("--key") { Description = "PEM file of its key" };

    public void AddTo(Command command)
    {
        command.Options.Add(_port);
        command.Options.Add(_certificate);
        command.Options.Add(_key);
    }

    public int Port(ParseResult parsed) => parsed.GetValue(_port);

    /// <summary>Null for plain TCP.</summary>
    public X509Certificate2? ReadCertificate(ParseResult parsed) =>
        parsed.GetValue(_certificate) is { } file ? X509Certificate2.CreateFromPemFile(file, parsed.GetValue(_key)) : null;

    /// <summary>Until it is told to stop.</summary>
    public static async Task WaitAsync(CancellationToken stopping)
    {
        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = stopping.Register(stopped.SetResult);
        await stopped.Task;
    }
}
