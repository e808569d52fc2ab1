using System.CommandLine;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Nave.Bench.Floor;

namespace Nave.Bench.Servers;

/// <summary>
/// <c>kestrel</c>: the floor's answers from a bare connection handler under Kestrel, until it is stopped: what the transport
/// that Nave uses costs by itself, plain and with TLS. The first line of output is the end point.
/// </summary>
internal static class KestrelCommand
{
    private const int Backlog = 4096;

    public static Command Create()
    {
        var options = new ServerOptions();
        var command = new Command("kestrel", "a bare connection handler under Kestrel that acknowledges: a peer of the scenarios");
        options.AddTo(command);
        command.SetAction(async (parsed, stopping) =>
        {
            using var certificate = options.ReadCertificate(parsed);
            await RunAsync(options.Port(parsed), certificate, stopping);
            return 0;
        });
        return command;
    }

    private static async Task RunAsync(int port, X509Certificate2? certificate, CancellationToken stopping)
    {
        ListenOptions? listening = null;
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost
            .UseKestrelCore()
            .UseKestrelHttpsConfiguration()
            .UseSockets(sockets => sockets.Backlog = Backlog)
            .ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port, listen =>
            {
                listening = listen;
                if (certificate is not null)
                {
                    listen.UseHttps(certificate);
                }

                listen.Run(ServeAsync);
            }));
        await using var app = builder.Build();
        await app.StartAsync(stopping);
        Console.WriteLine(listening!.IPEndPoint); // Set while it started, with the port that was taken.
        await ServerOptions.WaitAsync(stopping);
    }

    private static async Task ServeAsync(ConnectionContext connection)
    {
        var (input, output) = (connection.Transport.Input, connection.Transport.Output);
        try
        {
            while (true)
            {
                var read = await input.ReadAsync();
                var used = Answer(read.Buffer, output);
                if (used < 0 || read.IsCompleted)
                {
                    return;
                }

                input.AdvanceTo(read.Buffer.GetPosition(used), read.Buffer.End);
                await output.FlushAsync();
            }
        }
        catch (Exception e) when (e is IOException or ConnectionAbortedException or OperationCanceledException)
        {
            // A reset is how a generator's connections may end.
        }
    }

    /// <returns>How many bytes were whole packets, or negative when the connection is to end.</returns>
    private static long Answer(System.Buffers.ReadOnlySequence<byte> bytes, System.IO.Pipelines.PipeWriter output)
    {
        if (bytes.IsEmpty)
        {
            return 0;
        }

        var span = bytes.IsSingleSegment ? bytes.FirstSpan : System.Buffers.BuffersExtensions.ToArray(bytes);
        var used = FloorAnswers.Write(span, output.GetSpan(span.Length), out var answerBytes);
        output.Advance(answerBytes);
        return used;
    }
}
