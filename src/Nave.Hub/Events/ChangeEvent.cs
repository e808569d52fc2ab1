using Nave.Protocol.Identities;

namespace Nave.Hub.Events;

/// <summary>
/// An event that a change of the hub's own facts gives birth to, as it lies in the outbox: what happened to whom, and the
/// body that readers get (spec/messaging-semantics.md 5).
/// </summary>
/// <param name="Source">What kind of change.</param>
/// <param name="Id">Whose; <c>default</c> where it is the hub itself.</param>
/// <param name="OpType">The application property <c>opType</c>; null where the source has none.</param>
/// <param name="At">When it happened, UTC.</param>
/// <param name="Body">JSON in UTF-8.</param>
/// <param name="ModelId">The DTDL model that the device announced, or null.</param>
internal sealed record ChangeEvent(
    ChangeSource Source, IdentityId Id, string? OpType, DateTimeOffset At, ReadOnlyMemory<byte> Body, string? ModelId = null)
{
    /// <summary>A patch of a twin. Body: <c>version</c> and the changed parts with their <c>$metadata</c> and <c>$version</c>.</summary>
    public static ChangeEvent TwinUpdated(IdentityId id, DateTimeOffset at, ReadOnlyMemory<byte> body, string? modelId = null) =>
        new(ChangeSource.TwinChangeEvents, id, "updateTwin", at, body, modelId);

    /// <summary>A replacement of a twin's tags or desired properties. Body: the whole twin.</summary>
    public static ChangeEvent TwinReplaced(IdentityId id, DateTimeOffset at, ReadOnlyMemory<byte> body, string? modelId = null) =>
        new(ChangeSource.TwinChangeEvents, id, "replaceTwin", at, body, modelId);

    /// <summary>An identity was created. Body: its twin.</summary>
    public static ChangeEvent IdentityCreated(IdentityId id, DateTimeOffset at, ReadOnlyMemory<byte> body) =>
        new(ChangeSource.DeviceLifecycleEvents, id, "createDeviceIdentity", at, body);

    /// <summary>An identity was deleted. Body: its twin as it was.</summary>
    public static ChangeEvent IdentityDeleted(IdentityId id, DateTimeOffset at, ReadOnlyMemory<byte> body, string? modelId = null) =>
        new(ChangeSource.DeviceLifecycleEvents, id, "deleteDeviceIdentity", at, body, modelId);

    /// <summary>A device or module has connected or gone. Body: the sequence number that orders such events of one identity.</summary>
    public static ChangeEvent ConnectionChanged(IdentityId id, bool isConnected, DateTimeOffset at, ReadOnlyMemory<byte> body) =>
        new(ChangeSource.DeviceConnectionStateEvents, id, isConnected ? "deviceConnected" : "deviceDisconnected", at, body);

    /// <summary>A device's heartbeat state has changed. Body: spec/heartbeat-monitoring.md 3.3.</summary>
    public static ChangeEvent HeartbeatChanged(IdentityId id, string state, DateTimeOffset at, ReadOnlyMemory<byte> body) =>
        new(ChangeSource.DeviceHeartbeatEvents, id, state, at, body);

    /// <summary>The heartbeat monitor cannot hear, or hears again. Of no device.</summary>
    public static ChangeEvent HeartbeatsOfHub(string what, DateTimeOffset at, ReadOnlyMemory<byte> body) =>
        new(ChangeSource.DeviceHeartbeatEvents, default, what, at, body);

    /// <summary>Whose it is as text; null where it is the hub itself.</summary>
    public string? DeviceId => Id == default ? null : Id.Device.Value;

    /// <summary>A job's work on one device has begun or ended. Body: the per-device job as queries show it.</summary>
    public static ChangeEvent DeviceJobChanged(IdentityId id, DateTimeOffset at, ReadOnlyMemory<byte> body) =>
        new(ChangeSource.DeviceJobLifecycleEvents, id, "updateDeviceJob", at, body);

    /// <summary>A digital twin's properties have changed. Body: a JSON patch.</summary>
    public static ChangeEvent DigitalTwinChanged(IdentityId id, DateTimeOffset at, ReadOnlyMemory<byte> body, string? modelId) =>
        new(ChangeSource.DigitalTwinChangeEvents, id, null, at, body, modelId);
}
