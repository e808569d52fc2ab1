using System.Reflection;
using Microsoft.Extensions.Logging;

namespace Nave.Hub.Hosting;

/// <summary>What a hub takes from the world around it; tests put their own in its place.</summary>
public sealed record HubSurroundings
{
    /// <summary>All time the hub knows.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Where its log goes.</summary>
    public required ILoggerProvider Log { get; init; }

    /// <summary>The machine's name, one of the default host names.</summary>
    public string MachineName { get; init; } = Environment.MachineName;

    /// <summary>The program's version.</summary>
    public string Version { get; init; } =
        typeof(HubSurroundings).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0";

    /// <summary>The program that an operator would give a capability to, for messages.</summary>
    public string Program { get; init; } = Environment.ProcessPath ?? "nave";

    /// <summary>
    /// Acknowledges events that are not on disk, to measure what the sync costs. No option and no argument leads here: only
    /// code that sees this assembly's internals, which is the benchmark (issue 6, row 4).
    /// </summary>
    internal bool SkipsLogSync { get; init; }
}
