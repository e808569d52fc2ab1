using System.Buffers;
using System.Text.Json;
using Nave.Hub.Devices;
using Nave.Storage;

namespace Nave.Hub.Events;

/// <summary>
/// The events of identities that come and go (spec/messaging-semantics.md 5): rows of the registry's own transaction. The
/// body is the identity's twin. Methods run inside a unit of <see cref="HubDatabase"/>.
/// </summary>
internal sealed class LifecycleEvents(EventOutbox outbox, TimeProvider time)
{
    /// <summary>An identity has been added.</summary>
    public void Created(SqlSession session, DeviceIdentity identity)
    {
        if (outbox.IsWanted(ChangeSource.DeviceLifecycleEvents))
        {
            var now = time.GetUtcNow();
            outbox.Add(session, ChangeEvent.IdentityCreated(identity.Id, now, NewTwin(identity, now)));
        }
    }

    /// <summary>What to tell of identities that are about to be deleted: their twins go with them.</summary>
    public IReadOnlyList<ChangeEvent> BeforeDeletion(SqlSession session, IReadOnlyList<DeviceIdentity> identities)
    {
        if (!outbox.IsWanted(ChangeSource.DeviceLifecycleEvents))
        {
            return [];
        }

        var now = time.GetUtcNow();
        return [.. identities.Select(identity => ChangeEvent.IdentityDeleted(identity.Id, now, NewTwin(identity, now)))];
    }

    /// <summary>They have been deleted.</summary>
    public void Deleted(SqlSession session, IReadOnlyList<ChangeEvent> farewells)
    {
        foreach (var farewell in farewells)
        {
            outbox.Add(session, farewell);
        }
    }

    // spec/service-rest.md 4.2: the twin that an identity is created with.
    private static ReadOnlyMemory<byte> NewTwin(DeviceIdentity identity, DateTimeOffset at)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("deviceId"u8, identity.Id.Device.Value);
        if (identity.Id.Module is { } module)
        {
            json.WriteString("moduleId"u8, module.Value);
        }

        json.WriteString("etag"u8, "AAAAAAAAAAE="u8);
        json.WriteNumber("version"u8, 2);
        json.WriteStartObject("properties"u8);
        WriteEmpty("desired");
        WriteEmpty("reported");
        json.WriteEndObject();
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenMemory;

        void WriteEmpty(string section)
        {
            json.WriteStartObject(section);
            json.WriteStartObject("$metadata"u8);
            json.WriteString("$lastUpdated"u8, at.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffffffZ"));
            json.WriteEndObject();
            json.WriteNumber("$version"u8, 1);
            json.WriteEndObject();
        }
    }
}
