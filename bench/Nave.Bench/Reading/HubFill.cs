using System.Globalization;
using Nave.Bench.Figures;
using Nave.Bench.Scenarios;

namespace Nave.Bench.Reading;

/// <summary>Fills a hub's log with so many events or a few more, through MQTT, as devices would.</summary>
internal static class HubFill
{
    private const double FirstSeconds = 0.5;
    private const double LongestSeconds = 30;
    private const double MostGrowth = 3; // The first runs are slow: code is cold.

    /// <returns>Where the partitions end.</returns>
    public static async Task<IReadOnlyList<long>> RunAsync(
        RunningPeer hub, long events, int partitions, IReadOnlyList<string> loadArguments, CancellationToken stopping)
    {
        var seconds = FirstSeconds;
        while (true)
        {
            var load = await LoadRole.RunAsync(
                hub, [.. loadArguments, "--warm-up", "0", "--duration", seconds.ToString(CultureInfo.InvariantCulture)], stopping);
            if (load.Acknowledged is 0)
            {
                throw new PeerUnavailableException($"the hub took no events: {load.FirstError}");
            }

            var ends = await PartitionEnds.ReadAsync(hub.Hub!, partitions);
            if (ends.Sum() is var sum && sum >= events)
            {
                return ends;
            }

            seconds = Math.Clamp((events - sum) / load.AcknowledgedPerSecond, FirstSeconds / 5, Math.Min(seconds * MostGrowth, LongestSeconds));
        }
    }
}
