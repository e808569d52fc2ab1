using Nave.Hub.Devices;
using Nave.Hub.Twins;

namespace Nave.Hub.Queries;

/// <summary>The sources that there are.</summary>
internal sealed class QueryTables(TwinReader reader, Presence presence, IMonitorStates monitor, NodeIncarnation node)
{
    private readonly TwinTable _devices = new(ofModules: false, reader, presence, monitor, node);
    private readonly TwinTable _modules = new(ofModules: true, reader, presence, monitor, node);
    private readonly JobTable _jobs = new();

    public QueryTable Of(QuerySource source) => source switch
    {
        QuerySource.Modules => _modules,
        QuerySource.Jobs => _jobs,
        _ => _devices,
    };
}
