using System.Text.Json;
using System.Text.Json.Serialization;
using Nave.Bench.Commands;
using Nave.Bench.Figures;
using Nave.Bench.Load;
using Nave.Bench.Scenarios;

namespace Nave.Bench;

/// <summary>How results and credentials read as JSON.</summary>
[JsonSerializable(typeof(CommandsReport))]
[JsonSerializable(typeof(ConnectionsReport))]
[JsonSerializable(typeof(DeviceCredential))]
[JsonSerializable(typeof(FiguresReport))]
[JsonSerializable(typeof(HubConnection))]
[JsonSerializable(typeof(LoadReport))]
[JsonSerializable(typeof(MethodsReport))]
[JsonSerializable(typeof(MillionReport))]
[JsonSerializable(typeof(QueriesReport))]
[JsonSerializable(typeof(RunFigures))]
[JsonSerializable(typeof(ScenarioReport))]
[JsonSerializable(typeof(TwinsReport))]
internal sealed partial class BenchJson : JsonSerializerContext
{
    public static BenchJson Lines { get; } = new(new JsonSerializerOptions(JsonSerializerDefaults.Web));

    public static BenchJson Indented { get; } = new(new JsonSerializerOptions(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    });
}
