using Nave.Protocol.Errors;

namespace Nave.Hub.Devices;

/// <summary>What a writer demands of the stored entity: a certain ETag, or only that it exists (spec/service-rest.md 4.2).</summary>
internal readonly record struct ETagCondition
{
    private readonly string? _etag;

    private ETagCondition(string? etag) => _etag = etag;

    /// <summary>Whatever the ETag: force.</summary>
    public static ETagCondition Any => default;

    /// <summary>This ETag, unquoted.</summary>
    public static ETagCondition Exactly(string etag) => new(etag);

    /// <summary>Reads <c>"*"</c>, <c>*</c>, <c>"etag"</c>, <c>W/"etag"</c> or a bare one; null when there is none.</summary>
    public static ETagCondition? Parse(string? ifMatch)
    {
        var text = (ifMatch ?? "").AsSpan().Trim();
        if (text.StartsWith("W/", StringComparison.Ordinal))
        {
            text = text[2..];
        }

        text = text.Trim('"');
        return text switch
        {
            "" => null,
            "*" => Any,
            _ => Exactly(text.ToString()),
        };
    }

    /// <summary>Null when the stored ETag meets the condition.</summary>
    public HubFailure? Check(string stored) =>
        _etag is null || string.Equals(_etag, stored, StringComparison.Ordinal) ? null : HubFailures.PreconditionFailed;
}
