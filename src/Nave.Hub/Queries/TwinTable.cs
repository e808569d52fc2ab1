using System.Data.Common;
using Nave.Hub.Devices;
using Nave.Hub.Twins;

namespace Nave.Hub.Queries;

/// <summary>The twins of devices, or of modules.</summary>
internal sealed class TwinTable(bool ofModules, TwinReader reader, Presence presence, IMonitorStates monitor, NodeIncarnation node) : QueryTable
{
    /// <inheritdoc/>
    public override string ItemType => QueryPage.Twin;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Keys { get; } = ["t.device_id", "t.module_id"];

    /// <inheritdoc/>
    public override ISqlFields CreateFields() => new TwinFields(ofModules, node);

    // Connection states and heartbeats are written behind: what memory knows goes first, so that a query sees it.
    /// <inheritdoc/>
    public override async Task PrepareAsync(ISqlFields fields)
    {
        if (fields is TwinFields { NeedsPresence: true })
        {
            await presence.FlushAsync();
        }

        if (fields is TwinFields { NeedsMonitor: true })
        {
            await monitor.FlushAsync();
        }
    }

    /// <inheritdoc/>
    public override string ReadDocuments(string page) =>
        $"WITH page AS ({page}) SELECT {TwinReader.Columns}, q.k0, q.k1 FROM page q CROSS JOIN {TwinReader.From} " +
        "WHERE t.device_id = q.k0 AND t.module_id = q.k1 ORDER BY q.k0, q.k1";

    /// <inheritdoc/>
    public override byte[] Read(DbDataReader row) => TwinJson.Write(reader.Read(row));
}
