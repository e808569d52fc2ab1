using System.Data.Common;
using Microsoft.Extensions.Logging;
using Nave.Hub.Monitoring;
using Nave.PskGateway;
using Nave.PskGateway.Keys;
using Nave.PskGateway.Mqtt;
using Nave.Storage;

namespace Nave.Cli.Psk;

/// <summary>Puts a PSK gateway together, runs it until it is told to stop, and takes it apart again.</summary>
internal static class PskGatewayRun
{
    /// <summary>Runs it.</summary>
    /// <exception cref="CommandFailedException">It cannot start.</exception>
    public static async Task RunAsync(PskRunOptions options, TimeProvider time, CancellationToken stopping)
    {
        using var log = new ConsoleLog(Console.Out, options.LogFormat, isTerminal: !Console.IsOutputRedirected, options.LogLevel, time);
        using var loggers = new LoggerFactory([log], new LoggerFilterOptions { MinLevel = options.LogLevel });
        var topics = ReadTopics(options.TopicsFile);
        await using var store = await OpenStoreAsync(options, time, loggers, stopping);
        var hub = await PskHub.FindAsync(options, stopping);
        Directory.CreateDirectory(options.DataDirectory);
        await using var role = await StartAsync(options, topics, hub, store, time, loggers, stopping);
        await StopSignals.WaitAsync(stopping);
    }

    /// <summary>The key store.</summary>
    /// <exception cref="CommandFailedException">It cannot be used.</exception>
    public static async Task<PskStore> OpenStoreAsync(PskRunOptions options, TimeProvider time, ILoggerFactory loggers, CancellationToken stopping)
    {
        try
        {
            return await PskStore.OpenAsync(options.StoreFile, options.MasterKey, time, loggers, stopping);
        }
        catch (Exception e) when (e is NotOurDataException or NewerDataException)
        {
            throw new CommandFailedException(e.Message);
        }
        catch (Exception e) when (e is DbException or IOException or UnauthorizedAccessException)
        {
            throw new CommandFailedException($"The key store {options.StoreFile} cannot be used: {e.Message}");
        }
    }

    private static TopicMap ReadTopics(string? file)
    {
        try
        {
            return file is null ? TopicMap.None : TopicMap.Parse(File.ReadLines(file));
        }
        catch (Exception e) when (e is FormatException or IOException or UnauthorizedAccessException)
        {
            throw new CommandFailedException($"Topics:File {file}: {e.Message}", isUsage: true);
        }
    }

    private static async Task<PskGatewayRole> StartAsync(
        PskRunOptions options, TopicMap topics, PskHubOptions hub, PskStore store, TimeProvider time, ILoggerFactory loggers, CancellationToken stopping)
    {
        var gateway = new PskGatewayOptions
        {
            Address = options.Address,
            Port = options.Port,
            HideUnknownIdentity = options.HideUnknownIdentity,
            AllowNonForwardSecret = options.AllowNonForwardSecret,
            AnyClientId = options.ClientId is ClientIdPolicy.Any,
            DropUnmapped = options.Unmapped is UnmappedTopics.Drop,
            Topics = topics,
            IdentityPattern = options.IdentityPattern,
            MostConnections = options.MostConnections,
            MostHandshakes = options.MostHandshakes,
            MostHandshakesPerAddress = options.MostHandshakesPerAddress,
        };
        try
        {
            return await PskGatewayRole.StartAsync(gateway, hub, store, options.Audit ? options.DataDirectory : null, time, loggers, stopping);
        }
        catch (FormatException e)
        {
            throw new CommandFailedException($"Hub:ConnectionString: {e.Message}", isUsage: true);
        }
        catch (IOException e)
        {
            throw new CommandFailedException($"The port cannot be opened: {e.Message} Choose another with --port, or another address with --bind.");
        }
    }
}
