using Nave.Storage.Schema;

namespace Nave.Hub.Configurations;

/// <summary>
/// Configurations, and whom each has in scope. What a configuration did to a twin is known from its content, which never
/// changes, and from these rows; so a row stays until the twin has been set right. Of a deleted configuration too.
/// </summary>
internal static class ConfigurationSchema
{
    public static SchemaPart Part { get; } = new(
        "configurations",
        ["""
        CREATE TABLE configurations (
            number          INTEGER PRIMARY KEY AUTOINCREMENT,
            id              {text} NOT NULL,
            schema_version  {text} NOT NULL,
            labels          {text} NOT NULL,
            content         {text} NOT NULL,
            condition       {text} NOT NULL,
            priority        {long} NOT NULL,
            metrics         {text} NOT NULL,
            created         {long} NOT NULL,
            updated         {long} NOT NULL,
            etag            {text} NOT NULL,
            is_deleted      {long} NOT NULL,
            is_due          {long} NOT NULL
        );
        CREATE UNIQUE INDEX configurations_by_id ON configurations (id) WHERE is_deleted = 0;
        CREATE TABLE configuration_targets (
            device_id  {text} NOT NULL,
            module_id  {text} NOT NULL,
            number     {long} NOT NULL,
            is_applied {long} NOT NULL,
            PRIMARY KEY (device_id, module_id, number),
            FOREIGN KEY (device_id, module_id) REFERENCES identities (device_id, module_id) ON DELETE CASCADE
        ) {keyed};
        CREATE INDEX configuration_targets_by_number ON configuration_targets (number, is_applied, device_id, module_id);
        """]);
}
