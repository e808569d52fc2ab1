using Nave.Conformance.Tests.Harness;
using Nave.Tests;

namespace Nave.Conformance.Tests;

/// <summary>The registry rows of spec/service-rest.md as the azure-iothub client sees them.</summary>
public sealed class RegistryTests
{
    private static readonly int[] Rows = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 32, 33];

    [Fact]
    [Conformance("service-rest", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 32, 33)]
    public async Task The_rows_of_the_registry_hold_for_the_Node_service_client()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);

        var results = await NodeClient.RunAsync(
            hub,
            "registry.mjs",
            TimeSpan.FromMinutes(2),
            new Dictionary<string, string> { ["NAVE_REGISTRY_READ"] = hub.PolicyString("registryRead") },
            stopping);

        NodeClient.AssertRows(results, null, Rows);
    }
}
