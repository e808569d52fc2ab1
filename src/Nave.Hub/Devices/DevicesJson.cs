using System.Text.Json.Serialization;

namespace Nave.Hub.Devices;

/// <summary>The JSON that the devices' tables hold.</summary>
[JsonSerializable(typeof(IReadOnlyList<Subscription>))]
internal sealed partial class DevicesJson : JsonSerializerContext;
