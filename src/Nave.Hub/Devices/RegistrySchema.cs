using Nave.Hub.Twins;
using Nave.Storage.Schema;

namespace Nave.Hub.Devices;

/// <summary>
/// The tables of the identity registry. What belongs to an identity (subscriptions, presence, its twin, commands)
/// references its row and goes with it. A device is the row whose module id is empty.
/// </summary>
internal static class RegistrySchema
{
    /// <summary>For opening the database.</summary>
    public static SchemaPart Part { get; } = new("registry", [Version1, TwinSchema.Table, TwinSchema.ShortStamps]);

    private const string Version1 = """
        CREATE TABLE identities (
            device_id            {text} NOT NULL,
            module_id            {text} NOT NULL,
            generation_id        {text} NOT NULL,
            etag                 {text} NOT NULL,
            is_enabled           {long} NOT NULL,
            status_reason        {text},
            status_updated       {long},
            auth_type            {text} NOT NULL,
            primary_key          {blob},
            secondary_key        {blob},
            primary_thumbprint   {text},
            secondary_thumbprint {text},
            is_edge              {long} NOT NULL,
            device_scope         {text},
            parent_scope         {text},
            managed_by           {text},
            PRIMARY KEY (device_id, module_id)
        ) {keyed};

        -- Kept by the writes themselves: counting a million rows for each create would not do.
        CREATE TABLE identity_counts (
            id      {long} NOT NULL PRIMARY KEY,
            devices {long} NOT NULL,
            enabled {long} NOT NULL,
            modules {long} NOT NULL
        );
        INSERT INTO identity_counts (id, devices, enabled, modules) VALUES (1, 0, 0, 0);

        CREATE TABLE subscriptions (
            device_id     {text} NOT NULL,
            module_id     {text} NOT NULL,
            generation_id {text} NOT NULL,
            filters       {text} NOT NULL,
            PRIMARY KEY (device_id, module_id),
            FOREIGN KEY (device_id, module_id) REFERENCES identities (device_id, module_id) ON DELETE CASCADE
        ) {keyed};

        CREATE TABLE presence (
            device_id     {text} NOT NULL,
            module_id     {text} NOT NULL,
            node          {text} NOT NULL,
            session       {long} NOT NULL,
            epoch         {long} NOT NULL,
            protocol      {text} NOT NULL,
            is_connected  {long} NOT NULL,
            since         {long} NOT NULL,
            reason        {text},
            last_activity {long} NOT NULL,
            PRIMARY KEY (device_id, module_id),
            FOREIGN KEY (device_id, module_id) REFERENCES identities (device_id, module_id) ON DELETE CASCADE
        ) {keyed};

        CREATE TABLE node_starts (id {long} NOT NULL PRIMARY KEY, starts {long} NOT NULL);
        INSERT INTO node_starts (id, starts) VALUES (1, 0);
        """;
}
