using Microsoft.Extensions.Logging.Abstractions;
using Nave.Hub.Access;
using Nave.Hub.Devices;
using Nave.Protocol.Access;
using Nave.Tests;
using static Nave.Hub.Tests.Access.AccessHarness;

namespace Nave.Hub.Tests.Access;

public sealed class LiveAccessTableTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Fact]
    [Conformance("security", 18)]
    public async Task A_token_of_a_minute_is_cut_at_a_minute_and_five_give_or_take_a_second()
    {
        using var hub = await CreateAsync();
        await using var table = Table(hub);
        hub.Identities.CreateWithKeys("dev1", KeyA, KeyB);
        hub.Time.Advance(TimeSpan.FromMilliseconds(400));
        var live = new Live(await hub.ExpectAdmittedAsync("dev1", hub.Token(Host + "/devices/dev1", KeyA, TimeSpan.FromSeconds(60))));
        table.Watch(live);

        await AdvanceAsync(hub, table, TimeSpan.FromSeconds(359));
        Assert.Null(live.Revoked);
        await AdvanceAsync(hub, table, TimeSpan.FromSeconds(2));

        Assert.Equal(CloseReason.TokenExpired, live.Revoked);
        Assert.Equal(0, table.Count);
    }

    [Fact]
    [Conformance("security", 19)]
    public async Task A_renewed_token_keeps_what_stands_on_it_alive_to_its_own_end()
    {
        using var hub = await CreateAsync();
        await using var table = Table(hub);
        hub.Identities.CreateWithKeys("dev1", KeyA, KeyB);
        var longer = new Live(await hub.ExpectAdmittedAsync("dev1", hub.Token(Host + "/devices/dev1", KeyA, TimeSpan.FromSeconds(60))));
        var shorter = new Live(await hub.ExpectAdmittedAsync("dev1", hub.Token(Host + "/devices/dev1", KeyA, TimeSpan.FromHours(5))));
        var silent = new Live(longer.Grant);
        var (longerWatch, shorterWatch) = (table.Watch(longer), table.Watch(shorter));
        table.Watch(silent);

        longer.Grant = await hub.ExpectAdmittedAsync("dev1", hub.Token(Host + "/devices/dev1", KeyB, TimeSpan.FromHours(5)));
        longerWatch.Renewed();
        shorter.Grant = silent.Grant;
        shorterWatch.Renewed();
        await AdvanceAsync(hub, table, TimeSpan.FromSeconds(362));

        Assert.Null(longer.Revoked);
        Assert.Equal(CloseReason.TokenExpired, shorter.Revoked);
        Assert.Equal(CloseReason.TokenExpired, silent.Revoked);
    }

    [Fact]
    [Conformance("security", 11)]
    public async Task Disabling_a_device_cuts_it_and_its_modules_and_nobody_else()
    {
        using var hub = await CreateAsync();
        await using var table = Table(hub);
        var (device, module, other) = await ConnectThreeAsync(hub, table);

        hub.Identities.Change(Id("dev1"), identity => identity with { IsEnabled = false });
        await table.LookAsync(default);

        Assert.Equal(CloseReason.IdentityDisabled, device.Revoked);
        Assert.Equal(CloseReason.IdentityDisabled, module.Revoked);
        Assert.Null(other.Revoked);
    }

    [Fact]
    [Conformance("security", 23)]
    public async Task Editing_what_a_credential_does_not_stand_on_cuts_nobody()
    {
        using var hub = await CreateAsync();
        await using var table = Table(hub);
        var (device, module, _) = await ConnectThreeAsync(hub, table);

        hub.Identities.Change(Id("dev1"), identity => identity with { StatusReason = "looked at", ETag = "2" });
        hub.Identities.Change(Id("dev1"), identity => identity with { Authentication = identity.Authentication with { SecondaryKey = KeyC } });
        await table.LookAsync(default);
        Assert.Null(device.Revoked);

        hub.Identities.Change(Id("dev1"), identity => identity with { Authentication = identity.Authentication with { PrimaryKey = KeyC } });
        await table.LookAsync(default);
        Assert.Equal(CloseReason.CredentialRevoked, device.Revoked);
        Assert.Null(module.Revoked);
    }

    [Fact]
    [Conformance("security", 12)]
    public async Task Deleting_a_device_cuts_it_even_if_it_is_created_again_at_once()
    {
        using var hub = await CreateAsync();
        await using var table = Table(hub);
        var (device, _, other) = await ConnectThreeAsync(hub, table);

        hub.Identities.Delete(Id("dev1"));
        hub.Identities.CreateWithKeys("dev1", KeyA, KeyB);

        Assert.Equal(CloseReason.IdentityDeleted, device.Revoked);
        Assert.Null(other.Revoked);
    }

    [Fact]
    [Conformance("security", 13)]
    public async Task Rolling_one_key_of_a_policy_cuts_those_who_signed_with_it()
    {
        using var hub = await CreateAsync();
        await using var table = Table(hub);
        hub.Identities.CreateWithKeys("a", KeyA, KeyB);
        var policy = hub.Policies.Find("iothubowner")!;
        var byPrimary = Watched(table, await hub.ExpectAdmittedAsync("a", hub.Token(Host, policy.PrimaryKey, policy: policy.Name)));
        var backEnd = Watched(table, await hub.ExpectBearerAsync(hub.Token(Host, policy.PrimaryKey, policy: policy.Name)));
        var bySecondary = Watched(table, await hub.ExpectAdmittedAsync("a", hub.Token(Host, policy.SecondaryKey, policy: policy.Name)));
        var byOwnKey = Watched(table, await hub.ExpectAdmittedAsync("a", hub.Token(Host + "/devices/a", KeyA)));

        await hub.Policies.RollAsync("iothubowner", SasSigner.Primary, null, default);
        await table.LookAsync(default);

        Assert.Equal(CloseReason.CredentialRevoked, byPrimary.Revoked);
        Assert.Equal(CloseReason.CredentialRevoked, backEnd.Revoked);
        Assert.Null(bySecondary.Revoked);
        Assert.Null(byOwnKey.Revoked);
    }

    [Fact]
    public async Task The_runner_cuts_without_being_asked()
    {
        using var hub = await CreateAsync();
        await using var table = Table(hub);
        await table.StartAsync(default);
        var (device, module, other) = await ConnectThreeAsync(hub, table);

        hub.Identities.Change(Id("dev1"), identity => identity with { IsEnabled = false });
        await module.Ended.WaitAsync(Patience);
        hub.Time.Advance(TimeSpan.FromHours(2));
        await other.Ended.WaitAsync(Patience);

        Assert.Equal(CloseReason.IdentityDisabled, device.Revoked);
        Assert.Equal(CloseReason.TokenExpired, other.Revoked);
    }

    [Fact]
    public async Task What_is_no_longer_watched_is_not_cut_and_nobody_is_cut_twice()
    {
        using var hub = await CreateAsync();
        await using var table = Table(hub);
        hub.Identities.CreateWithKeys("dev1", KeyA, KeyB);
        var grant = await hub.ExpectAdmittedAsync("dev1", hub.Token(Host + "/devices/dev1", KeyA));
        var gone = new Live(grant);
        var twice = new Live(grant);
        var watches = new[] { table.Watch(new Live(grant)), table.Watch(gone), table.Watch(twice) };

        watches[1].Dispose();
        watches[1].Dispose();
        hub.Identities.Change(Id("dev1"), identity => identity with { IsEnabled = false });
        hub.Identities.Delete(Id("dev1"));
        await AdvanceAsync(hub, table, TimeSpan.FromHours(3));
        watches[2].Dispose();

        Assert.Null(gone.Revoked);
        Assert.Equal(1, twice.Revocations);
        Assert.Equal(0, table.Count);
    }

    [Fact]
    public async Task A_clock_that_is_set_back_or_jumps_ahead_loses_no_expiry()
    {
        using var hub = await CreateAsync(new AccessOptions { ClockSkew = TimeSpan.Zero });
        await using var table = Table(hub);
        hub.Identities.CreateWithKeys("dev1", KeyA, KeyB);
        await AdvanceAsync(hub, table, TimeSpan.FromHours(2));
        hub.Time.AdjustTime(hub.Time.GetUtcNow() - TimeSpan.FromHours(1));
        await table.LookAsync(default);
        var live = Watched(table, await hub.ExpectAdmittedAsync("dev1", hub.Token(Host + "/devices/dev1", KeyA, TimeSpan.FromMinutes(1))));

        await AdvanceAsync(hub, table, TimeSpan.FromSeconds(59));
        Assert.Null(live.Revoked);
        await AdvanceAsync(hub, table, TimeSpan.FromDays(400));

        Assert.Equal(CloseReason.TokenExpired, live.Revoked);
    }

    [Fact]
    public async Task Many_lives_end_each_in_its_own_second()
    {
        using var hub = await CreateAsync(new AccessOptions { ClockSkew = TimeSpan.Zero });
        await using var table = Table(hub);
        hub.Identities.CreateWithKeys("dev1", KeyA, KeyB);
        var grant = await hub.ExpectAdmittedAsync("dev1", hub.Token(Host + "/devices/dev1", KeyA));
        var lives = Enumerable.Range(0, 2000).Select(i => new Live(grant with { ExpiresAt = hub.Time.GetUtcNow().AddSeconds(i % 100) })).ToList();
        var watches = lives.ConvertAll(table.Watch);
        for (var i = 0; i < watches.Count; i += 7)
        {
            watches[i].Dispose();
        }

        for (var second = 0; second < 100; second++)
        {
            await AdvanceAsync(hub, table, TimeSpan.FromSeconds(1));
            var now = hub.Time.GetUtcNow();
            Assert.All(lives.Where((_, i) => i % 7 != 0), live => Assert.Equal(live.Grant.ExpiresAt < now, live.Revocations == 1));
        }

        Assert.Equal(0, table.Count);
    }

    [Fact]
    public async Task A_back_end_whose_policy_changed_before_it_was_watched_is_cut()
    {
        using var hub = await CreateAsync();
        await using var table = Table(hub);
        var late = new Live(await hub.ExpectBearerAsync(hub.PolicyToken("service")));
        await hub.Policies.RollAsync("service", SasSigner.Primary, null, default);
        await table.LookAsync(default);

        table.Watch(late);
        await table.LookAsync(default);

        Assert.Equal(CloseReason.CredentialRevoked, late.Revoked);
    }

    [Fact]
    public async Task What_cannot_be_judged_while_the_registry_is_away_is_judged_afterwards()
    {
        using var hub = await CreateAsync();
        await using var table = Table(hub);
        var (_, module, other) = await ConnectThreeAsync(hub, table);

        hub.Identities.Failure = new IOException("away");
        hub.Identities.Change(Id("dev1"), identity => identity with { IsEnabled = false });
        await table.LookAsync(default);
        Assert.Null(module.Revoked);
        hub.Identities.Failure = null;
        await AdvanceAsync(hub, table, TimeSpan.FromSeconds(1));

        Assert.Equal(CloseReason.IdentityDisabled, module.Revoked);
        Assert.Null(other.Revoked);
    }

    [Fact]
    public async Task A_hundred_thousand_lives_cost_little_to_keep_and_to_look_after()
    {
        using var hub = await CreateAsync();
        await using var table = Table(hub);
        hub.Identities.CreateWithKeys("dev1", KeyA, KeyB);
        var grant = await hub.ExpectAdmittedAsync("dev1", hub.Token(Host + "/devices/dev1", KeyA));
        var lives = Enumerable.Range(0, 100_000).Select(i => new Live(grant with
        {
            Identity = Id($"device-{i}"),
            ExpiresAt = hub.Time.GetUtcNow().AddSeconds(10 + (i % 3600)),
        })).ToArray();
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var watches = Array.ConvertAll(lives, table.Watch);
        var bytes = (GC.GetTotalMemory(forceFullCollection: true) - before) / lives.Length;

        var began = System.Diagnostics.Stopwatch.GetTimestamp();
        for (var second = 0; second < 1000; second++)
        {
            await AdvanceAsync(hub, table, TimeSpan.FromSeconds(1));
        }

        var perSecond = System.Diagnostics.Stopwatch.GetElapsedTime(began) / 1000;
        TestContext.Current.TestOutputHelper?.WriteLine($"{bytes} bytes a life, {perSecond.TotalMicroseconds:F0} us a second");

        // Measured beside other work: 150 bytes, 300 us with 28 ends a second. Time is shown, not judged: the machine is shared.
        Assert.True(bytes < 512, $"{bytes} bytes a life");
        Assert.Equal(lives.Length - lives.Count(live => live.Revocations == 1), table.Count);
        GC.KeepAlive(watches);
    }

    private static LiveAccessTable Table(AccessHarness hub) => new(
        hub.Access, hub.Identities, hub.Policies, hub.Authorities, hub.Time, NullLogger<LiveAccessTable>.Instance);

    private static async Task<(Live Device, Live Module, Live Other)> ConnectThreeAsync(AccessHarness hub, LiveAccessTable table)
    {
        hub.Identities.CreateWithKeys("dev1", KeyA, KeyB);
        hub.Identities.CreateWithKeys("dev1/mod1", KeyA, KeyB);
        hub.Identities.CreateWithKeys("dev2", KeyA, KeyB);
        return (
            Watched(table, await hub.ExpectAdmittedAsync("dev1", hub.Token(Host + "/devices/dev1", KeyA))),
            Watched(table, await hub.ExpectAdmittedAsync("dev1/mod1", hub.Token(Host + "/devices/dev1/modules/mod1", KeyA))),
            Watched(table, await hub.ExpectAdmittedAsync("dev2", hub.Token(Host + "/devices/dev2", KeyA))));
    }

    private static Live Watched(LiveAccessTable table, AccessGrant grant)
    {
        var live = new Live(grant);
        table.Watch(live);
        return live;
    }

    private static async Task AdvanceAsync(AccessHarness hub, LiveAccessTable table, TimeSpan by)
    {
        hub.Time.Advance(by);
        await table.LookAsync(default);
    }

    private sealed class Live(AccessGrant grant) : ILiveAccess
    {
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public AccessGrant Grant { get; set; } = grant;

        public CloseReason? Revoked { get; private set; }

        public int Revocations { get; private set; }

        public Task Ended => _ended.Task;

        public void Revoke(CloseReason reason)
        {
            Revoked = reason;
            Revocations++;
            _ended.TrySetResult();
        }
    }
}
