using Nave.Conformance.Tests.Harness;

namespace Nave.Conformance.Tests;

/// <summary>Digital twins as the DigitalTwinClient and a Plug and Play device see them (spec/service-rest.md 10).</summary>
public sealed class DigitalTwinTests
{
    [Fact]
    public async Task A_Plug_and_Play_device_is_read_patched_and_commanded_by_the_Node_client()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping, "--set", "Events:Sources=DigitalTwinChangeEvents");

        var results = await NodeClient.RunAsync(hub, "digital-twins.mjs", TimeSpan.FromMinutes(2), new Dictionary<string, string>(), stopping);

        NodeClient.AssertRows(results, null, 1, 2, 3, 4);
    }
}
