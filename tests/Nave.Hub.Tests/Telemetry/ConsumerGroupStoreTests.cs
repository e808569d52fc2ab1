using Microsoft.Extensions.Logging.Abstractions;
using Nave.Hub.Telemetry;
using Nave.Hub.Tests.Harness;
using Nave.Protocol;
using Nave.Protocol.Errors;
using Nave.Storage;

namespace Nave.Hub.Tests.Telemetry;

/// <summary>Consumer groups last, have names by the rule, and $Default is always among them.</summary>
public sealed class ConsumerGroupStoreTests : IAsyncLifetime
{
    private readonly TempDirectory _directory = new();
    private HubDatabase _database = null!;
    private ConsumerGroups _groups = null!;
    private ConsumerGroupStore _store = null!;

    public ValueTask InitializeAsync() => new(OpenAsync());

    public async ValueTask DisposeAsync()
    {
        _store.Dispose();
        await _database.DisposeAsync();
        _directory.Dispose();
    }

    [Fact]
    public async Task A_group_is_there_after_a_restart_in_its_own_spelling()
    {
        Assert.Null(await _store.CreateAsync("Billing", default));
        await ReopenAsync();

        Assert.Equal(["$Default", "Billing"], _groups.Names);
        Assert.True(_groups.Contains("bILLING"));
    }

    [Fact]
    public async Task Creating_what_exists_changes_nothing()
    {
        Assert.Null(await _store.CreateAsync("billing", default));
        Assert.Null(await _store.CreateAsync("BILLING", default));
        Assert.Null(await _store.CreateAsync("$default", default));

        Assert.Equal(["$Default", "billing"], _groups.Names);
    }

    [Fact]
    public async Task A_deleted_group_is_gone_and_the_default_cannot_be()
    {
        await _store.CreateAsync("billing", default);

        Assert.Null(await _store.DeleteAsync("Billing", default));
        Assert.Equal(404, (await _store.DeleteAsync("billing", default))?.HttpStatus);
        Assert.Equal(HubErrorCode.InvalidOperation, (await _store.DeleteAsync("$DEFAULT", default))?.Code);
        Assert.Equal(["$Default"], _groups.Names);
    }

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("$other")]
    [InlineData("a/b")]
    [InlineData("012345678901234567890123456789012345678901234567890")]
    public async Task A_name_that_is_none_is_refused(string name) =>
        Assert.Equal(HubErrorCode.ArgumentInvalid, (await _store.CreateAsync(name, default))?.Code);

    [Fact]
    public async Task There_are_twenty_groups_at_most_also_when_made_at_once()
    {
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 30).Select(i => _store.CreateAsync($"g{i}", default)));

        Assert.Equal(HubLimits.MaxConsumerGroups - 1, outcomes.Count(failure => failure is null));
        Assert.Equal(HubLimits.MaxConsumerGroups, _groups.Names.Count);
    }

    private async Task ReopenAsync()
    {
        _store.Dispose();
        await _database.DisposeAsync();
        await OpenAsync();
    }

    private Task OpenAsync()
    {
        _database = HubDatabase.Open(
            new SqliteDialect(_directory.PathOf("hub.db")), [ConsumerGroupStore.Schema], TimeProvider.System, NullLogger<HubDatabase>.Instance);
        _groups = new ConsumerGroups();
        _store = new ConsumerGroupStore(_database, _groups, TimeProvider.System);
        return _store.LoadAsync(default);
    }
}
