using System.Text;
using Nave.Protocol.Errors;

namespace Nave.Hub.Methods;

/// <summary>What a method may be called. The name is one segment of an MQTT topic, before a <c>?</c> (spec/device-mqtt.md 9).</summary>
internal static class MethodNames
{
    // Far beyond any name seen; a topic has 65,535 bytes.
    private const int MaxLength = 256;

    /// <summary>Why it is no name of a method; null when it is one.</summary>
    public static HubFailure? FindFault(string name) => name switch
    {
        "" => HubFailures.ArgumentNull.Saying("methodName is missing."),
        { Length: > MaxLength } => HubFailures.ArgumentInvalid.Saying($"methodName has {name.Length} characters, {MaxLength} are allowed."),
        _ when name.AsSpan().ContainsAny("/?#+") || name.EnumerateRunes().Any(IsUnfit) =>
            HubFailures.ArgumentInvalid.Saying("methodName has none of / ? # + and no control characters."),
        _ => null,
    };

    // Half a character, which has no encoding, reads as the replacement character.
    private static bool IsUnfit(Rune rune) => Rune.IsControl(rune) || rune == Rune.ReplacementChar;
}
