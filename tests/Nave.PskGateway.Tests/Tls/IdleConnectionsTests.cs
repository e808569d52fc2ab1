using Nave.PskGateway.Tests.Harness;
using Nave.Tests;

namespace Nave.PskGateway.Tests.Tls;

/// <summary>Measures the memory of the whole process, so nothing else runs meanwhile.</summary>
[CollectionDefinition(nameof(IdleConnectionsTests), DisableParallelization = true)]
[Collection(nameof(IdleConnectionsTests))]
public sealed class IdleConnectionsTests
{
    [Fact]
    [Conformance("tls-psk", 13)]
    public async Task A_thousand_idle_connections_cost_little_memory_and_no_threads()
    {
        const int Count = 1000;
        await using var desk = await PskDesk.StartAsync(options => options with { AnyClientId = true }, async store =>
        {
            for (var i = 0; i < Count; i++)
            {
                await PskDesk.AddAsync(store, $"dev-{i}", PskDevice.Key);
            }
        });
        (await PskDevice.ConnectAsync(desk.Server.Port, "dev-0")).Dispose();
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var threads = System.Diagnostics.Process.GetCurrentProcess().Threads.Count;

        var devices = new List<PskDevice>();
        for (var i = 0; i < Count; i++)
        {
            devices.Add(await PskDevice.ConnectAsync(desk.Server.Port, $"dev-{i}"));
        }

        // The devices themselves are in it.
        var megabytes = (GC.GetTotalMemory(forceFullCollection: true) - before) / 1048576.0;
        Assert.Equal(Count, desk.Server.Connections);
        TestContext.Current.SendDiagnosticMessage($"{megabytes:F1} MB");
        Assert.InRange(megabytes, 0, 40);
        Assert.InRange(System.Diagnostics.Process.GetCurrentProcess().Threads.Count - threads, -1000, 100);
        devices.ForEach(device => device.Dispose());
    }
}
