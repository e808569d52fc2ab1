using Nave.Hub.Access;
using Nave.Hub.Devices;
using Nave.Hub.Hosting;
using Nave.Hub.Tests.Harness;
using Nave.Protocol.Identities;

namespace Nave.Hub.Tests.Hosting;

public sealed class SeedingTests : IDisposable
{
    private const string Key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    private const string OtherKey = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task What_is_absent_is_created_as_written()
    {
        await using var hub = await StartAsync(SeedOf(Key));

        Assert.Equal(Key, hub.Get<PolicyRegistry>().Find("iothubowner")!.PrimaryKey);
        Assert.Contains($"SharedAccessKey={Key}", hub.Connection.Policies["iothubowner"], StringComparison.Ordinal);
        var device = await FindAsync(hub, "pump");
        Assert.Equal((Key, false), (device!.Authentication.PrimaryKey, device.IsEnabled));
        var module = await FindAsync(hub, "pump", "motor");
        Assert.NotNull(module!.Authentication.PrimaryKey);
    }

    [Fact]
    public async Task What_is_there_is_left_alone()
    {
        await (await StartAsync(SeedOf(Key))).DisposeAsync();

        await using var hub = await StartAsync(SeedOf(OtherKey));

        Assert.Equal(Key, hub.Get<PolicyRegistry>().Find("iothubowner")!.PrimaryKey);
        Assert.Equal(Key, (await FindAsync(hub, "pump"))!.Authentication.PrimaryKey);
    }

    [Fact]
    public async Task What_is_there_is_overwritten_when_told_to()
    {
        await (await StartAsync(SeedOf(Key))).DisposeAsync();

        await using var hub = await StartAsync(SeedOf(OtherKey) with { Overwrite = true });

        Assert.Equal(OtherKey, hub.Get<PolicyRegistry>().Find("iothubowner")!.PrimaryKey);
        Assert.Equal(OtherKey, (await FindAsync(hub, "pump"))!.Authentication.PrimaryKey);
    }

    [Theory]
    [InlineData("a b")]
    [InlineData("")]
    public async Task An_id_that_cannot_be_one_stops_the_start(string id)
    {
        var failure = await Assert.ThrowsAsync<StartFailureException>(() => StartAsync(new HubSeed { Devices = [new SeedDevice(id)] }));

        Assert.True(failure.IsUsage);
        Assert.Contains("Seed:Devices", failure.Message, StringComparison.Ordinal);
    }

    private static HubSeed SeedOf(string key) => new()
    {
        Policies = [new SeedPolicy("iothubowner", null, key, null)],
        Devices = [new SeedDevice("pump") { PrimaryKey = key, IsEnabled = false, Modules = [new SeedModule("motor", null, null)] }],
    };

    private Task<TestHub> StartAsync(HubSeed seed) => TestHub.StartAsync(options => options.Seed = seed, dataDirectory: _directory.Path);

    private static ValueTask<DeviceIdentity?> FindAsync(TestHub hub, string device, string? module = null) => hub.Get<DeviceRegistry>().FindAsync(
        new IdentityId(DeviceId.Parse(device), module is null ? null : ModuleId.Parse(module)), TestContext.Current.CancellationToken);
}
