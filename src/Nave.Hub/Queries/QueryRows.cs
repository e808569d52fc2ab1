using System.Buffers;
using System.Data.Common;
using System.Text.Json;

namespace Nave.Hub.Queries;

/// <summary>Rows of results that are not whole documents.</summary>
internal static class QueryRows
{
    /// <summary>The members that a query asks for, out of a whole document; those that are not in it are left out.</summary>
    public static byte[] Project(IReadOnlyList<QueryItem> items, byte[] document)
    {
        using var parsed = JsonDocument.Parse(document);
        return Write(writer =>
        {
            foreach (var item in items)
            {
                if (Find(parsed.RootElement, item.Path!) is { } value)
                {
                    writer.WritePropertyName(item.Name);
                    value.WriteTo(writer);
                }
            }
        });
    }

    /// <summary>A row of nothing but the device's id.</summary>
    public static byte[] OfDeviceId(IReadOnlyList<QueryItem> items, string deviceId) => Write(writer =>
    {
        foreach (var item in items)
        {
            writer.WriteString(item.Name, deviceId);
        }
    });

    /// <summary>The value at a path, or null for none.</summary>
    public static JsonElement? Find(JsonElement document, QueryPath path)
    {
        var value = document;
        foreach (var step in path.Steps)
        {
            if (step.Name is { } name ? value.ValueKind is JsonValueKind.Object && value.TryGetProperty(name, out var member)
                : TryElement(value, step.Index, out member))
            {
                value = member;
            }
            else
            {
                return null;
            }
        }

        return value;
    }

    /// <summary>A row of groups or of one aggregate, as <see cref="QueryStatement.OfGroups"/> selects it.</summary>
    public static byte[] ReadGroup(IReadOnlyList<QueryItem> items, DbDataReader row) => Write(writer =>
    {
        var column = 0;
        foreach (var item in items)
        {
            if (item.Aggregate is null)
            {
                WriteGroupValue(writer, item.Name, (ValueKind)row.GetInt32(column), row, column + 1);
                column += 2;
            }
            else
            {
                WriteAggregate(writer, item, row, column++);
            }
        }
    });

    private static bool TryElement(JsonElement value, int index, out JsonElement element)
    {
        element = default;
        if (value.ValueKind is not JsonValueKind.Array || index >= value.GetArrayLength())
        {
            return false;
        }

        element = value[index];
        return true;
    }

    private static void WriteAggregate(Utf8JsonWriter writer, QueryItem item, DbDataReader row, int column)
    {
        if (item.Aggregate is QueryAggregate.Count)
        {
            writer.WriteNumber(item.Name, row.GetInt64(column));
        }
        else if (!row.IsDBNull(column) && double.IsFinite(row.GetDouble(column)))
        {
            writer.WriteNumber(item.Name, row.GetDouble(column));
        }
    }

    private static void WriteGroupValue(Utf8JsonWriter writer, string name, ValueKind kind, DbDataReader row, int column)
    {
        switch (kind)
        {
            case ValueKind.String:
                writer.WriteString(name, row.GetString(column));
                break;
            case ValueKind.Number when double.IsFinite(row.GetDouble(column)):
                writer.WriteNumber(name, row.GetDouble(column));
                break;
            case ValueKind.Boolean:
                writer.WriteBoolean(name, row.GetInt64(column) != 0);
                break;
            case ValueKind.Null:
                writer.WriteNull(name);
                break;
            case ValueKind.Object or ValueKind.Array:
                writer.WritePropertyName(name);
                writer.WriteRawValue(row.GetString(column), skipInputValidation: true);
                break;
        }
    }

    private static byte[] Write(Action<Utf8JsonWriter> members)
    {
        var output = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(output))
        {
            writer.WriteStartObject();
            members(writer);
            writer.WriteEndObject();
        }

        return output.WrittenSpan.ToArray();
    }
}
