using System.Text.Json;
using Nave.Protocol.Errors;

namespace Nave.Hub.Twins;

/// <summary>
/// What a back end asks of a twin: a change of tags, of desired properties, or both (spec/service-rest.md 6.2). Checked;
/// only the size is judged where the result is known.
/// </summary>
/// <param name="Tags">Null where nothing was said of them.</param>
/// <param name="Desired">Likewise.</param>
/// <param name="IsReplace">A PUT: told to routes as <c>replaceTwin</c>.</param>
internal sealed record TwinUpdate(SectionChange? Tags = null, SectionChange? Desired = null, bool IsReplace = false)
{
    /// <summary>What configurations note in the twin, shown and queried as <c>configurations</c>; never from a request.</summary>
    public SectionChange? Configurations { get; init; }

    /// <summary>The size of what was said.</summary>
    public long Bytes => (Tags?.Json.Length ?? 0) + (Desired?.Json.Length ?? 0);

    /// <summary>Reads the body of a PATCH or PUT, or an item of a bulk request. What the hub itself writes is looked over.</summary>
    public static Outcome<TwinUpdate> Read(JsonElement body, bool isReplace)
    {
        if (body.ValueKind is not JsonValueKind.Object)
        {
            return HubFailures.FormatError;
        }

        body.TryGetProperty("tags"u8, out var tags);
        JsonElement desired = default, reported = default;
        if (body.TryGetProperty("properties"u8, out var properties) && properties.ValueKind is not JsonValueKind.Null)
        {
            if (properties.ValueKind is not JsonValueKind.Object)
            {
                return HubFailures.ArgumentInvalid.Saying("The properties of a twin are a JSON object.");
            }

            properties.TryGetProperty("desired"u8, out desired);
            properties.TryGetProperty("reported"u8, out reported);
        }

        return Read(tags, desired, reported, isReplace);
    }

    /// <summary>The same of sections that were found; undefined where there is none.</summary>
    public static Outcome<TwinUpdate> Read(JsonElement tags, JsonElement desired, JsonElement reported, bool isReplace)
    {
        // .NET clients send an empty one always; back ends send back what they got, which has marks.
        if (reported.ValueKind is JsonValueKind.Object && reported.EnumerateObject().Any(member => !TwinRules.IsMark(member)))
        {
            return HubFailures.ArgumentInvalid.Saying("The reported properties are the device's to write.");
        }

        return TryRead(tags, isReplace, out var tagsChange, out var failure) && TryRead(desired, isReplace, out var desiredChange, out failure)
            ? new TwinUpdate(tagsChange, desiredChange, isReplace)
            : failure!;
    }

    private static bool TryRead(JsonElement section, bool isReplace, out SectionChange? change, out HubFailure? failure)
    {
        change = null;
        failure = null;
        switch (section.ValueKind)
        {
            case JsonValueKind.Undefined:
                return true;
            case JsonValueKind.Null:
                change = SectionChange.Clear; // In a PATCH too: null deletes.
                return true;
        }

        if (TwinRules.Check(section, ignoresMarks: true) is { } refusal)
        {
            failure = refusal;
            return false;
        }

        var json = WithoutMarks(section);
        if (!TwinRules.Parse(json).TryGet(out var document, out failure))
        {
            return false; // A member twice: not every way in has looked for that.
        }

        document.Dispose();
        change = !isReplace && json is [(byte)'{', (byte)'}'] ? null : new SectionChange(json, isReplace); // An empty patch says nothing.
        return true;
    }

    private static byte[] WithoutMarks(JsonElement section) => TwinMerge.Write(section, static (writer, section) =>
    {
        writer.WriteStartObject();
        foreach (var member in section.EnumerateObject())
        {
            if (!TwinRules.IsMark(member))
            {
                member.WriteTo(writer);
            }
        }

        writer.WriteEndObject();
    });
}

/// <summary>A change of one section, as checked JSON without marks.</summary>
/// <param name="Json">A merge patch, nulls and all, or the section that takes the place of the old.</param>
/// <param name="Replaces">Which of the two.</param>
internal sealed record SectionChange(byte[] Json, bool Replaces)
{
    /// <summary>The section becomes empty.</summary>
    public static SectionChange Clear { get; } = new("{}"u8.ToArray(), Replaces: true);
}
