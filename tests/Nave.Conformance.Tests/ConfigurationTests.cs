using Nave.Conformance.Tests.Harness;

namespace Nave.Conformance.Tests;

/// <summary>Automatic device management as the azure-iothub client and a device see it (spec/service-rest.md 10).</summary>
public sealed class ConfigurationTests
{
    [Fact]
    public async Task Configurations_are_kept_applied_and_taken_back_for_the_Node_clients()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);

        var results = await NodeClient.RunAsync(hub, "configurations.mjs", TimeSpan.FromMinutes(2), new Dictionary<string, string>(), stopping);

        NodeClient.AssertRows(results, null, 1, 2, 3, 4, 5, 6);
    }
}
