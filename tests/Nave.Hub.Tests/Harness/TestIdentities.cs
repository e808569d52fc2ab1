using Nave.Storage.Schema;

namespace Nave.Hub.Tests.Harness;

/// <summary>Identities that a test's database begins with.</summary>
internal static class TestIdentities
{
    /// <summary>Rows of devices with generation 1, for a database that has the registry's tables.</summary>
    public static SchemaPart Of(params string[] devices) => new(
        "test-identities",
        [
            .. devices.Select(device =>
                $"""
                INSERT INTO identities (device_id, module_id, generation_id, etag, is_enabled, auth_type, is_edge)
                VALUES ('{device}', '', '1', 'e', 1, 'sas', 0)
                """),
        ]);
}
