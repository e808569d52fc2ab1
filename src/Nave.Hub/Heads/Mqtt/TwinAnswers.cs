using System.Globalization;
using System.Text;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>
/// Topics and bodies of what a client is told of its twin. A request is never left without an answer, and a refusal is
/// always JSON with an <c>errorCode</c>: a Node client hangs on the one and dies of anything else
/// (spec/device-mqtt.md 8, "Failures").
/// </summary>
internal static class TwinAnswers
{
    /// <summary><c>$iothub/twin/res/{status}/?$rid={rid}</c>, the request id byte for byte.</summary>
    public static byte[] Topic(int status, ReadOnlySpan<byte> requestId) =>
        [.. Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"$iothub/twin/res/{status}/?$rid=")), .. requestId];

    /// <summary>Of a patch that was applied: 204 and the new version.</summary>
    public static byte[] PatchedTopic(ReadOnlySpan<byte> requestId, long version) =>
        [.. "$iothub/twin/res/204/?$rid="u8, .. requestId, .. Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"&$version={version}"))];

    /// <summary>Of a desired change.</summary>
    public static byte[] DesiredTopic(long version) =>
        Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"$iothub/twin/PATCH/properties/desired/?$version={version}"));
}
