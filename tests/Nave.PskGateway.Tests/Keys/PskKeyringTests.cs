using System.Text;
using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Tests.Harness;
using Nave.Protocol.Identities;
using Nave.PskGateway.Keys;
using Nave.PskGateway.Tests.Harness;
using Nave.Tests;

namespace Nave.PskGateway.Tests.Keys;

public sealed class PskKeyringTests : IAsyncLifetime
{
    private readonly TempDirectory _folder = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 26, 12, 0, 0, TimeSpan.Zero));
    private PskStore _store = null!; // Set by the test's start.

    [Theory]
    [InlineData("sensor-7", "sensor-7", null, null)]
    [InlineData("AA:BB", "dev", "dev", null)]
    [InlineData("acme/17", "17", null, "acme/(?<device>[0-9]+)")]
    [InlineData("acme/x", null, null, "acme/(?<device>[0-9]+)")]
    [InlineData("not a device", null, null, null)]
    public async Task An_identity_stands_for_its_own_name_a_mapped_device_or_what_the_pattern_takes_out(string identity, string? expected, string? mapped, string? pattern)
    {
        await PskDesk.AddAsync(_store, identity, PskDevice.Key, mapped);
        var regex = pattern is not null && PskRules.TryReadPattern(pattern, out var read) ? read : null;
        var keyring = await PskKeyring.OpenAsync(_store, regex, _time, TestContext.Current.CancellationToken);

        Assert.Equal(expected, keyring.Find(Encoding.UTF8.GetBytes(identity)).First.Owner?.Device.Value);
    }

    [Fact]
    [Conformance("tls-psk", 11)]
    public async Task A_derived_key_is_good_for_its_own_identity_alone()
    {
        Assert.Null(await _store.AddGroupAsync("meters", "meter-[a-z]+", PskDevice.Key, TestContext.Current.CancellationToken));
        var keyring = await PskKeyring.OpenAsync(_store, null, _time, TestContext.Current.CancellationToken);
        var (a, _) = keyring.Find("meter-a"u8);
        var (b, _) = keyring.Find("meter-b"u8);
        var (stranger, _) = keyring.Find("meter-7"u8);

        Assert.Equal(PskRules.Derive(PskDevice.Key, "meter-a"), a.Key);
        Assert.Equal("meter-a", a.Owner?.Device.Value);
        Assert.NotEqual(a.Key, b.Key);
        Assert.Null(stranger.Owner);
    }

    [Fact]
    public async Task A_key_is_good_within_its_dates_and_the_next_takes_over()
    {
        var now = _time.GetUtcNow();
        var stopping = TestContext.Current.CancellationToken;
        Assert.Null(await _store.AddAsync(new NewPsk("dev", PskRecord.Primary, null) { NotAfter = now.AddHours(1) }, PskDevice.Key, stopping));
        Assert.Null(await _store.AddAsync(new NewPsk("dev", PskRecord.Secondary, null) { NotBefore = now.AddHours(1) }, PskDevice.OtherKey, stopping));
        var keyring = await PskKeyring.OpenAsync(_store, null, _time, stopping);
        var before = keyring.Find("dev"u8);

        _time.Advance(TimeSpan.FromHours(1));

        var after = keyring.Find("dev"u8);
        Assert.Equal([PskDevice.Key, PskDevice.OtherKey], [before.First.Key, after.First.Key]);
        Assert.Equal((null, null), (before.Second.Owner, after.Second.Owner));
        Assert.False(keyring.IsCurrent(before.First.Owner!));
    }

    [Fact]
    public async Task What_another_process_changes_is_seen_at_the_next_look()
    {
        var stopping = TestContext.Current.CancellationToken;
        var keyring = await PskKeyring.OpenAsync(_store, null, _time, stopping);
        await using var tool = await PskDesk.OpenStoreAsync(_folder.Path, _time);
        Assert.False(await keyring.RefreshAsync(stopping));

        await PskDesk.AddAsync(tool, "dev", PskDevice.Key);
        Assert.True(await keyring.RefreshAsync(stopping));
        var owner = keyring.Find("dev"u8).First.Owner!;
        Assert.True(keyring.IsCurrent(owner));

        await tool.RemoveAsync("dev", null, stopping);
        await PskDesk.AddAsync(tool, "dev", PskDevice.OtherKey);
        Assert.True(await keyring.RefreshAsync(stopping));
        Assert.False(keyring.IsCurrent(owner)); // Another key now.
    }

    [Fact]
    public async Task Whoever_asks_gets_two_keys_and_dummies_are_nobodys()
    {
        await PskDesk.AddAsync(_store, "dev", PskDevice.Key);
        var keyring = await PskKeyring.OpenAsync(_store, null, _time, TestContext.Current.CancellationToken);

        foreach (var identity in (byte[][])["dev"u8.ToArray(), "nobody"u8.ToArray(), [], [0xFF, 0xFE], new byte[300]])
        {
            var (first, second) = keyring.Find(identity);
            Assert.Equal((32, 32), (first.Key.Length, second.Key.Length));
            Assert.Null(second.Owner);
            Assert.Equal(identity is [(byte)'d', ..] ? DeviceId.Parse("dev") : null, first.Owner?.Device);
        }
    }

    [Fact]
    public async Task When_a_key_was_used_is_written_down()
    {
        await PskDesk.AddAsync(_store, "dev", PskDevice.Key);
        var stopping = TestContext.Current.CancellationToken;
        var keyring = await PskKeyring.OpenAsync(_store, null, _time, stopping);

        keyring.Used(keyring.Find("dev"u8).First.Owner!);
        await keyring.SaveUsedAsync(stopping);

        Assert.Equal(_time.GetUtcNow(), Assert.Single(await _store.ListAsync(stopping)).LastUsed);
        Assert.False(await keyring.RefreshAsync(stopping)); // No change that a gateway would have to read.
    }

    public async ValueTask InitializeAsync() => _store = await PskDesk.OpenStoreAsync(_folder.Path, _time);

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        _folder.Dispose();
    }
}
