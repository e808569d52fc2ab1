using Nave.Hub.Devices;
using Nave.Protocol.Errors;
using Nave.Tests;
using static Nave.Hub.Tests.Devices.RegistryHarness;

namespace Nave.Hub.Tests.Devices;

/// <summary>Many changes in one request: each applied or named.</summary>
public sealed class BulkRegistryTests : IAsyncLifetime
{
    private RegistryHarness _hub = null!;

    public async ValueTask InitializeAsync() => _hub = await RegistryHarness.CreateAsync();

    public ValueTask DisposeAsync() => _hub.DisposeAsync();

    [Fact]
    [Conformance("service-rest", 10)]
    public async Task Good_items_are_applied_beside_bad_ones()
    {
        await _hub.CreateAsync("old");

        var errors = await ApplyAsync(
            new BulkChange(Draft("new1"), BulkMode.Create),
            new BulkChange(Draft("old"), BulkMode.Create),
            new BulkChange(Draft("new2", new AuthenticationDraft { PrimaryKey = KeyA }), BulkMode.Create),
            new BulkChange(Draft("new3"), BulkMode.CreateOrUpdate));

        Assert.Equal(
            [("old", HubErrorCode.DeviceAlreadyExists), ("new2", HubErrorCode.ArgumentInvalid)],
            errors.Select(error => (error.Id.ToString(), error.Failure.Code)));
        Assert.Equal(["new1", "new3", "old"], (await _hub.Registry.ListAsync(10, default)).Select(device => device.Id.ToString()));
    }

    [Fact]
    [Conformance("service-rest", 11)]
    public async Task An_id_twice_is_refused_for_that_id_and_neither_is_applied()
    {
        var errors = await ApplyAsync(
            new BulkChange(Draft("twice"), BulkMode.Create),
            new BulkChange(Draft("once"), BulkMode.Create),
            new BulkChange(Draft("twice"), BulkMode.Delete));

        var error = Assert.Single(errors);
        Assert.Equal(("twice", HubErrorCode.DeviceDefinedMultipleTimes), (error.Id.ToString(), error.Failure.Code));
        Assert.Null(await _hub.Registry.FindAsync(Id("twice"), default));
        Assert.NotNull(await _hub.Registry.FindAsync(Id("once"), default));
    }

    [Fact]
    public async Task Modes_do_what_they_are_called()
    {
        var update = await _hub.CreateAsync("update");
        var match = await _hub.CreateAsync("match");
        var upsert = await _hub.CreateAsync("upsert");
        await _hub.CreateAsync("delete");
        var deleteMatch = await _hub.CreateAsync("deleteMatch");

        var errors = await ApplyAsync(
            new BulkChange(Draft("update") with { StatusReason = "new" }, BulkMode.Update),
            new BulkChange(Draft("match") with { StatusReason = "new" }, BulkMode.UpdateIfMatchETag, match.ETag),
            new BulkChange(Draft("upsert") with { StatusReason = "new" }, BulkMode.CreateOrUpdateIfMatchETag, $"\"{upsert.ETag}\""),
            new BulkChange(Draft("delete"), BulkMode.Delete),
            new BulkChange(Draft("deleteMatch"), BulkMode.DeleteIfMatchETag, deleteMatch.ETag));

        Assert.Empty(errors);
        var devices = await _hub.Registry.ListAsync(10, default);
        Assert.Equal(["match", "update", "upsert"], devices.Select(device => device.Id.ToString()));
        Assert.All(devices, device => Assert.Equal("new", device.StatusReason));
        Assert.NotEqual(update.ETag, devices.Single(device => device.Id == Id("update")).ETag);
    }

    [Theory]
    [InlineData("stale")]
    [InlineData(null)]
    public async Task Modes_that_compare_refuse_another_etag_and_none(string? etag)
    {
        await _hub.CreateAsync("a");
        await _hub.CreateAsync("b");

        var errors = await ApplyAsync(
            new BulkChange(Draft("a"), BulkMode.UpdateIfMatchETag, etag), new BulkChange(Draft("b"), BulkMode.DeleteIfMatchETag, etag));

        Assert.Equal(2, errors.Count);
        Assert.All(errors, error => Assert.Equal(HubErrorCode.PreconditionFailed, error.Failure.Code));
    }

    [Fact]
    public async Task A_device_and_its_module_may_come_together_in_order()
    {
        var errors = await ApplyAsync(new BulkChange(Draft("a"), BulkMode.Create), new BulkChange(Draft("a/m"), BulkMode.Create));

        Assert.Empty(errors);
        Assert.NotNull(await _hub.Registry.FindAsync(Id("a/m"), default));
        Assert.Equal(2, _hub.Changes.Count);
    }

    private async Task<IReadOnlyList<BulkError>> ApplyAsync(params BulkChange[] changes) => (await _hub.Registry.ApplyAsync(changes, default)).Errors;
}
