namespace Nave.Bench.Load;

/// <summary>Percentiles of a histogram in milliseconds.</summary>
internal sealed record LatencyReport(long Count, double MeanMs, double P50Ms, double P99Ms, double P999Ms, double MaxMs)
{
    public static LatencyReport Of(LatencyHistogram histogram) => new(
        histogram.Count,
        Milliseconds(histogram.Mean),
        Milliseconds(histogram.Percentile(0.50)),
        Milliseconds(histogram.Percentile(0.99)),
        Milliseconds(histogram.Percentile(0.999)),
        Milliseconds(histogram.Max));

    private static double Milliseconds(double nanoseconds) => Math.Round(nanoseconds / 1e6, 4);
}

/// <summary>The server process over exactly the measured interval; memory also around the connects.</summary>
internal sealed record ServerReport(
    double CpuSeconds,
    double CpuSecondsPerMillion,
    double CpuMillisecondsPerConnect,
    long ResidentBytesBeforeConnect,
    long ResidentBytesConnected,
    long ResidentBytesAtEnd)
{
    public double? ResidentBytesPerConnection { get; init; }
}

/// <summary>What one run of the generator saw.</summary>
/// <param name="OtherCores">Cores that neither server nor generator used: other work on the machine meanwhile.</param>
internal sealed record LoadReport(
    string Target,
    int Qos,
    int PayloadBytes,
    int Window,
    double? Rate,
    int Connections,
    int IdleConnections,
    int Connected,
    double ConnectsPerSecond,
    LatencyReport Connect,
    double MeasuredSeconds,
    long Acknowledged,
    double AcknowledgedPerSecond,
    LatencyReport Acknowledgement,
    long ConnectErrors,
    long Disconnects,
    long Unanswered,
    long Unexpected,
    string? FirstError,
    double GeneratorCpuSecondsPerMillion,
    double OtherCores,
    ServerReport? Server)
{
    /// <summary>Acknowledgements of the first half of the measured interval. With a rate: whether a server falls behind.</summary>
    public LatencyReport? FirstHalf { get; init; }

    /// <summary>Those of the last half.</summary>
    public LatencyReport? LastHalf { get; init; }

    public long Errors => ConnectErrors + Disconnects + Unanswered + Unexpected;
}
