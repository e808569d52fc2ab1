namespace Nave.Hub.Commands;

/// <summary>The words of <c>iothub-ack</c> (spec/messaging-semantics.md 1.2).</summary>
internal static class CommandWords
{
    /// <summary>Reads <c>iothub-ack</c>, in any case; false when it is none of the four words.</summary>
    public static bool TryParse(string? text, out AcknowledgementRequest request)
    {
        (var isKnown, request) = text?.ToUpperInvariant() switch
        {
            null or "" or "NONE" => (true, AcknowledgementRequest.None),
            "POSITIVE" => (true, AcknowledgementRequest.Positive),
            "NEGATIVE" => (true, AcknowledgementRequest.Negative),
            "FULL" => (true, AcknowledgementRequest.Full),
            _ => (false, AcknowledgementRequest.None),
        };
        return isKnown;
    }

    /// <summary>Writes the word of an acknowledgement request.</summary>
    public static string Write(AcknowledgementRequest request) => request switch
    {
        AcknowledgementRequest.Positive => "positive",
        AcknowledgementRequest.Negative => "negative",
        AcknowledgementRequest.Full => "full",
        _ => "none",
    };

    /// <summary>The word, or null where nothing was asked for.</summary>
    public static string? OrNull(AcknowledgementRequest request) => request is AcknowledgementRequest.None ? null : Write(request);
}
