using Nave.Storage;

namespace Nave.Hub.Twins;

/// <summary>
/// The table of twins: one row per identity, made and deleted with it, so that a twin is never missing. A version of the
/// registry's part, since the same transaction writes both.
/// </summary>
/// <remarks>
/// <c>tags</c>, <c>desired</c> and <c>reported</c> are jsonb: plain values without <c>$metadata</c> and <c>$version</c>,
/// <c>{}</c> when empty. The metadata of desired properties is JSON text, for nobody queries it often: nodes with
/// <c>$lastUpdated</c> and <c>$lastUpdatedVersion</c> first, then the children. That of reported ones, <c>reported_stamps</c>, is
/// jsonb as <see cref="JsonSql.ExpandTimes"/> has it, a third as long: devices write it with every patch. Until its first patch a
/// row of version 2 keeps what it had, JSON text as above. <c>version</c> is the document's and the row's version;
/// <c>etag_counter</c> is the twin's ETag as a number; <c>configurations</c> is JSON or null. Not keyed: rows of some
/// kilobytes stay whole in an ordinary table's pages.
/// </remarks>
internal static class TwinSchema
{
    /// <summary>The table, with a row for each identity that is there already.</summary>
    public const string Table = """
        CREATE TABLE twins (
            device_id         {text} NOT NULL,
            module_id         {text} NOT NULL,
            generation_id     {text} NOT NULL,
            version           {long} NOT NULL,
            etag_counter      {long} NOT NULL,
            desired_version   {long} NOT NULL,
            reported_version  {long} NOT NULL,
            model_id          {text},
            tags              {json} NOT NULL,
            desired           {json} NOT NULL,
            reported          {json} NOT NULL,
            configurations    {json},
            desired_metadata  {text} NOT NULL,
            reported_metadata {text} NOT NULL,
            PRIMARY KEY (device_id, module_id),
            FOREIGN KEY (device_id, module_id) REFERENCES identities (device_id, module_id) ON DELETE CASCADE
        );

        INSERT INTO twins (device_id, module_id, generation_id, version, etag_counter, desired_version, reported_version,
            tags, desired, reported, desired_metadata, reported_metadata)
        SELECT device_id, module_id, generation_id, 2, 1, 1, 1, jsonb('{}'), jsonb('{}'), jsonb('{}'),
            '{"$lastUpdated":"0001-01-01T00:00:00Z"}', '{"$lastUpdated":"0001-01-01T00:00:00Z"}'
        FROM identities;
        """;

    /// <summary>Says what the column holds now, and keeps programs away that would take it for what it was.</summary>
    public const string ShortStamps = "ALTER TABLE twins RENAME COLUMN reported_metadata TO reported_stamps";
}
