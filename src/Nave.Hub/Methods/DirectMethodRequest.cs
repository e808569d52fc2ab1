namespace Nave.Hub.Methods;

/// <summary>What a back end asks of a device: request and reply, nothing kept (spec/service-rest.md 7).</summary>
/// <param name="MethodName">Exact case.</param>
/// <param name="Payload">JSON as the back end wrote it; <c>null</c> in four bytes when it wrote none.</param>
/// <param name="ResponseTimeout">How long the device may take once it has the request.</param>
/// <param name="ConnectTimeout">How long to wait for a device that is not connected, or not for methods.</param>
internal sealed record DirectMethodRequest(
    string MethodName, ReadOnlyMemory<byte> Payload, TimeSpan ResponseTimeout, TimeSpan ConnectTimeout);

/// <summary>What the device answered.</summary>
/// <param name="Status">The device's own number, whatever it is.</param>
/// <param name="Payload">JSON, checked; <c>null</c> in four bytes when the device sent none.</param>
internal sealed record DirectMethodResponse(int Status, ReadOnlyMemory<byte> Payload);
