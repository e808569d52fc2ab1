using System.Text.Json.Nodes;
using Nave.Cli.Hubs;

namespace Nave.Cli.Simulation;

/// <summary>Devices for a simulation: registered in bulk with keys of their own and deleted again, or ones that are there already.</summary>
internal sealed class DeviceFleet(HubRest rest, string prefix, int count)
{
    // The service's limit for one request (spec/service-rest.md 4.4).
    private const int Bulk = 100;
    private bool _isOurs;

    /// <summary>Ids and primary keys.</summary>
    public IReadOnlyList<(string Id, string Key)> Devices { get; private set; } = [];

    private IEnumerable<string> Ids => Enumerable.Range(1, count).Select(number => $"{prefix}{number}");

    /// <summary>Registers the devices; one that exists is somebody's and stops it.</summary>
    public async Task RegisterAsync(Func<string> newKey, CancellationToken stopping)
    {
        var devices = new List<(string Id, string Key)>();
        foreach (var ids in Ids.Chunk(Bulk))
        {
            var keys = ids.Select(id => (Id: id, Key: newKey())).ToList();
            var answer = await rest.PostAsync("/devices", new JsonArray([.. keys.Select(device => (JsonNode)Entry(device.Id, device.Key))]), stopping);
            if ((bool?)answer?["isSuccessful"] != true)
            {
                Devices = devices;
                var first = (answer?["errors"] as JsonArray)?.FirstOrDefault();
                throw new CommandFailedException(
                    $"The device '{first?["deviceId"]}' cannot be registered: {first?["errorStatus"]}. Choose another --prefix, or use what is there with --existing.");
            }

            devices.AddRange(keys);
            _isOurs = true;
        }

        Devices = devices;
    }

    /// <summary>Reads the keys of devices that are there.</summary>
    public async Task FindAsync(CancellationToken stopping)
    {
        var devices = new List<(string Id, string Key)>();
        foreach (var id in Ids)
        {
            var identity = await rest.GetAsync(HubRest.PathOf(id), stopping);
            devices.Add((id, (string?)identity?["authentication"]?["symmetricKey"]?["primaryKey"]
                ?? throw new CommandFailedException($"The device '{id}' has no key: it proves itself by certificate.")));
        }

        Devices = devices;
    }

    /// <summary>Deletes those that were registered here.</summary>
    public async Task DeleteAsync(CancellationToken stopping)
    {
        foreach (var devices in _isOurs ? Devices.Chunk(Bulk) : [])
        {
            await rest.PostAsync(
                "/devices", new JsonArray([.. devices.Select(device => (JsonNode)new JsonObject { ["id"] = device.Id, ["importMode"] = "delete" })]), stopping);
        }
    }

    private static JsonObject Entry(string id, string key) => new()
    {
        ["id"] = id,
        ["importMode"] = "create",
        ["status"] = "enabled",
        ["authentication"] = new JsonObject
        {
            ["type"] = "sas",
            ["symmetricKey"] = new JsonObject { ["primaryKey"] = key, ["secondaryKey"] = key },
        },
    };
}
