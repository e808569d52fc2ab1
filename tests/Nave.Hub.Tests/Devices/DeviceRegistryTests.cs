using Nave.Hub.Devices;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;
using Nave.Tests;
using static Nave.Hub.Tests.Devices.RegistryHarness;

namespace Nave.Hub.Tests.Devices;

/// <summary>Creation, replacement, deletion and listing of identities, on SQLite.</summary>
public sealed class DeviceRegistryTests : IAsyncLifetime
{
    private RegistryHarness _hub = null!;

    public async ValueTask InitializeAsync() => _hub = await RegistryHarness.CreateAsync();

    public ValueTask DisposeAsync() => _hub.DisposeAsync();

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [Conformance("service-rest", 4)]
    public async Task A_device_without_keys_gets_two_different_ones_of_32_bytes(string? key)
    {
        var device = await _hub.CreateAsync("pump", new AuthenticationDraft { PrimaryKey = key, SecondaryKey = key });

        Assert.Equal(32, Convert.FromBase64String(device.Authentication.PrimaryKey!).Length);
        Assert.Equal(32, Convert.FromBase64String(device.Authentication.SecondaryKey!).Length);
        Assert.NotEqual(device.Authentication.PrimaryKey, device.Authentication.SecondaryKey);
    }

    [Fact]
    public async Task The_stamp_of_an_identity_has_risen_when_its_change_is_heard()
    {
        var id = new IdentityId(DeviceId.Parse("pump"));
        var heard = new List<long>();
        _hub.Registry.Changed += (before, after) => heard.Add(_hub.Registry.StampOf(id));
        var first = _hub.Registry.StampOf(id);

        var created = await _hub.CreateAsync("pump");
        await _hub.Registry.DeleteAsync(created.Id, ETagCondition.Any, default);

        Assert.Equal([first + 1, first + 2], heard);
        Assert.Equal(first + 2, _hub.Registry.StampOf(id));
    }

    [Fact]
    public async Task What_was_created_reads_back_the_same_also_after_a_restart()
    {
        var created = await _hub.CreateAsync("pump", new AuthenticationDraft { PrimaryKey = KeyA, SecondaryKey = KeyB });
        await _hub.RestartAsync(2);

        var read = await _hub.Registry.FindAsync(Id("pump"), default);

        Assert.Equivalent(created, read, strict: true);
        Assert.Equal(KeyA, read!.Authentication.PrimaryKey);
    }

    [Fact]
    public async Task Ids_are_case_sensitive()
    {
        await _hub.CreateAsync("pump");

        Assert.Null(await _hub.Registry.FindAsync(Id("Pump"), default));
        await _hub.CreateAsync("Pump");
        Assert.Equal(2, (await _hub.Registry.ListAsync(10, default)).Count);
    }

    [Fact]
    [Conformance("service-rest", 2)]
    public async Task A_taken_id_is_refused_and_the_device_stays()
    {
        var first = await _hub.CreateAsync("pump");

        await _hub.ExpectFailureAsync(HubErrorCode.DeviceAlreadyExists, _hub.Registry.CreateAsync(Draft("pump"), default));

        Assert.Equal(first.ETag, (await _hub.Registry.FindAsync(Id("pump"), default))!.ETag);
    }

    [Fact]
    [Conformance("service-rest", 5)]
    public async Task One_key_alone_is_refused()
    {
        await _hub.ExpectFailureAsync(
            HubErrorCode.ArgumentInvalid, _hub.Registry.CreateAsync(Draft("a", new AuthenticationDraft { PrimaryKey = KeyA, SecondaryKey = "" }), default));
        await _hub.ExpectFailureAsync(
            HubErrorCode.ArgumentInvalid, _hub.Registry.CreateAsync(Draft("a", new AuthenticationDraft { SecondaryKey = KeyA }), default));

        Assert.Null(await _hub.Registry.FindAsync(Id("a"), default));
    }

    [Theory]
    [InlineData("not base64!")]
    [InlineData("c2hvcnQ=")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    public async Task A_key_that_is_no_key_is_refused(string key) => await _hub.ExpectFailureAsync(
        HubErrorCode.ArgumentInvalid, _hub.Registry.CreateAsync(Draft("a", new AuthenticationDraft { PrimaryKey = key, SecondaryKey = KeyA }), default));

    [Fact]
    public async Task Keys_do_not_lie_in_the_database_in_clear()
    {
        await _hub.CreateAsync("pump", new AuthenticationDraft { PrimaryKey = KeyA, SecondaryKey = KeyB });

        var wrapped = await _hub.Database.ReadAsync(session => session.List("SELECT primary_key FROM identities", row => (byte[])row[0]), default);

        Assert.Equal(-1, Assert.Single(wrapped).AsSpan().IndexOf(Convert.FromBase64String(KeyA).AsSpan(0, 8)));
    }

    [Fact]
    [Conformance("service-rest", 3)]
    public async Task An_update_needs_the_stored_etag_or_force()
    {
        var first = await _hub.CreateAsync("pump");

        var second = await _hub.ExpectAsync(_hub.Registry.UpdateAsync(Draft("pump"), ETagCondition.Exactly(first.ETag), default));
        await _hub.ExpectFailureAsync(
            HubErrorCode.PreconditionFailed, _hub.Registry.UpdateAsync(Draft("pump"), ETagCondition.Exactly(first.ETag), default));
        var third = await _hub.ExpectAsync(_hub.Registry.UpdateAsync(Draft("pump"), ETagCondition.Any, default));

        Assert.Equal(3, new[] { first.ETag, second.ETag, third.ETag }.Distinct().Count());
        Assert.Equal(first.GenerationId, third.GenerationId);
    }

    [Fact]
    public async Task An_update_of_an_unknown_device_is_refused() => await _hub.ExpectFailureAsync(
        HubErrorCode.DeviceNotFound, _hub.Registry.UpdateAsync(Draft("nobody"), ETagCondition.Any, default));

    [Theory]
    [InlineData(null, null)]
    [InlineData("", "")]
    public async Task An_update_with_empty_keys_keeps_the_stored_ones(string? primary, string? secondary)
    {
        await _hub.CreateAsync("pump", new AuthenticationDraft { PrimaryKey = KeyA, SecondaryKey = KeyB });

        var updated = await _hub.ExpectAsync(_hub.Registry.UpdateAsync(
            Draft("pump", new AuthenticationDraft { Type = "sas", PrimaryKey = primary, SecondaryKey = secondary }), ETagCondition.Any, default));

        Assert.Equal((KeyA, KeyB), (updated.Authentication.PrimaryKey, updated.Authentication.SecondaryKey));
    }

    [Fact]
    public async Task An_update_without_authentication_or_status_keeps_both()
    {
        await _hub.ExpectAsync(_hub.Registry.CreateAsync(
            Draft("pump", new AuthenticationDraft { PrimaryKey = KeyA, SecondaryKey = KeyB }) with { IsEnabled = false }, default));

        var updated = await _hub.ExpectAsync(_hub.Registry.UpdateAsync(Draft("pump"), ETagCondition.Any, default));

        Assert.Equal(KeyA, updated.Authentication.PrimaryKey);
        Assert.False(updated.IsEnabled);
    }

    [Fact]
    public async Task One_key_can_be_replaced_alone()
    {
        await _hub.CreateAsync("pump", new AuthenticationDraft { PrimaryKey = KeyA, SecondaryKey = KeyA });

        var updated = await _hub.ExpectAsync(_hub.Registry.UpdateAsync(
            Draft("pump", new AuthenticationDraft { SecondaryKey = KeyB }), ETagCondition.Any, default));

        Assert.Equal((KeyA, KeyB), (updated.Authentication.PrimaryKey, updated.Authentication.SecondaryKey));
    }

    [Fact]
    public async Task Thumbprints_without_a_type_make_a_self_signed_device_with_normalised_thumbprints()
    {
        var print = "ab:cd:" + new string('0', 36);

        var device = await _hub.CreateAsync("pump", new AuthenticationDraft { PrimaryThumbprint = print });

        Assert.Equal(AuthenticationType.SelfSigned, device.Authentication.Type);
        Assert.Equal("ABCD" + new string('0', 36), device.Authentication.PrimaryThumbprint);
        Assert.Null(device.Authentication.PrimaryKey);
    }

    [Theory]
    [InlineData("SAS", AuthenticationType.Sas)]
    [InlineData("selfSigned", AuthenticationType.SelfSigned)]
    [InlineData("CertificateAuthority", AuthenticationType.CertificateAuthority)]
    [InlineData("none", AuthenticationType.None)]
    internal async Task Types_are_read_in_any_case_and_only_sas_has_keys(string text, AuthenticationType type)
    {
        var device = await _hub.CreateAsync("pump", new AuthenticationDraft { Type = text, PrimaryKey = KeyA, SecondaryKey = KeyB });

        Assert.Equal(type, device.Authentication.Type);
        Assert.Equal(type is AuthenticationType.Sas, device.Authentication.PrimaryKey is not null);
    }

    [Fact]
    public async Task An_unknown_type_or_a_bad_thumbprint_is_refused()
    {
        await _hub.ExpectFailureAsync(
            HubErrorCode.ArgumentInvalid, _hub.Registry.CreateAsync(Draft("a", new AuthenticationDraft { Type = "magic" }), default));
        await _hub.ExpectFailureAsync(
            HubErrorCode.ArgumentInvalid, _hub.Registry.CreateAsync(Draft("a", new AuthenticationDraft { PrimaryThumbprint = "ABC" }), default));
        await _hub.ExpectFailureAsync(
            HubErrorCode.ArgumentInvalid,
            _hub.Registry.CreateAsync(Draft("a", new AuthenticationDraft { SecondaryThumbprint = new string('G', 40) }), default));
    }

    [Fact]
    public async Task A_status_reason_over_128_characters_is_refused()
    {
        await _hub.ExpectAsync(_hub.Registry.CreateAsync(Draft("a") with { StatusReason = new string('x', 128) }, default));

        await _hub.ExpectFailureAsync(
            HubErrorCode.ArgumentInvalid, _hub.Registry.CreateAsync(Draft("b") with { StatusReason = new string('x', 129) }, default));
    }

    [Fact]
    public async Task The_status_time_moves_with_the_status_only()
    {
        var device = await _hub.CreateAsync("pump");
        Assert.Null(device.StatusUpdatedTime);
        _hub.Time.Advance(TimeSpan.FromHours(1));

        var disabled = await _hub.ExpectAsync(_hub.Registry.UpdateAsync(Draft("pump") with { IsEnabled = false }, ETagCondition.Any, default));
        var disabledAt = _hub.Time.GetUtcNow();
        _hub.Time.Advance(TimeSpan.FromHours(1));
        var renamed = await _hub.ExpectAsync(_hub.Registry.UpdateAsync(
            Draft("pump") with { IsEnabled = false, StatusReason = "broken" }, ETagCondition.Any, default));

        Assert.Equal(disabledAt, disabled.StatusUpdatedTime);
        Assert.Equal(disabledAt, renamed.StatusUpdatedTime);
        Assert.Equal("broken", (await _hub.Registry.FindAsync(Id("pump"), default))!.StatusReason);
    }

    [Fact]
    [Conformance("service-rest", 12)]
    public async Task A_recreated_device_has_another_generation_and_other_keys()
    {
        var first = await _hub.CreateAsync("pump");
        await _hub.ExpectAsync(_hub.Registry.DeleteAsync(Id("pump"), ETagCondition.Any, default));

        var second = await _hub.CreateAsync("pump"); // The clock has not moved.

        Assert.NotEqual(first.GenerationId, second.GenerationId);
        Assert.All(first.GenerationId + second.GenerationId, digit => Assert.True(char.IsAsciiDigit(digit)));
        Assert.NotEqual(first.Authentication.PrimaryKey, second.Authentication.PrimaryKey);
        Assert.NotEqual(first.ETag, second.ETag);
    }

    [Fact]
    public async Task A_deletion_needs_the_stored_etag_or_force()
    {
        var device = await _hub.CreateAsync("pump");

        await _hub.ExpectFailureAsync(
            HubErrorCode.PreconditionFailed, _hub.Registry.DeleteAsync(Id("pump"), ETagCondition.Exactly("stale"), default));
        await _hub.ExpectAsync(_hub.Registry.DeleteAsync(Id("pump"), ETagCondition.Exactly(device.ETag), default));
        await _hub.ExpectFailureAsync(HubErrorCode.DeviceNotFound, _hub.Registry.DeleteAsync(Id("pump"), ETagCondition.Any, default));
    }

    [Fact]
    public async Task Devices_are_listed_by_id_without_modules()
    {
        foreach (var id in new[] { "c", "a", "b" })
        {
            await _hub.CreateAsync(id);
        }

        await _hub.CreateAsync("a/module");

        Assert.Equal(["a", "b"], (await _hub.Registry.ListAsync(2, default)).Select(device => device.Id.ToString()));
    }

    [Fact]
    public async Task Counts_follow_every_change()
    {
        await _hub.CreateAsync("a");
        await _hub.CreateAsync("b");
        await _hub.CreateAsync("a/m1");
        await _hub.CreateAsync("a/m2");
        await _hub.ExpectAsync(_hub.Registry.UpdateAsync(Draft("a") with { IsEnabled = false }, ETagCondition.Any, default));
        Assert.Equal(new RegistryCounts(2, 1, 2), await _hub.Registry.CountAsync(default));

        await _hub.ExpectAsync(_hub.Registry.DeleteAsync(Id("a/m1"), ETagCondition.Any, default));
        Assert.Equal(new RegistryCounts(2, 1, 1), await _hub.Registry.CountAsync(default));

        await _hub.ExpectAsync(_hub.Registry.DeleteAsync(Id("a"), ETagCondition.Any, default));
        Assert.Equal(new RegistryCounts(1, 1, 0), await _hub.Registry.CountAsync(default));
    }

    [Fact]
    public async Task A_full_registry_takes_no_more()
    {
        await using var small = await RegistryHarness.CreateAsync(new RegistryLimits { MaxIdentities = 2 });
        await small.CreateAsync("a");
        await small.CreateAsync("a/m");

        await small.ExpectFailureAsync(HubErrorCode.TooManyDevices, small.Registry.CreateAsync(Draft("b"), default));
        await small.ExpectFailureAsync(HubErrorCode.TooManyDevices, small.Registry.CreateAsync(Draft("a/n"), default));
    }

    [Fact]
    public async Task Changes_are_told_after_they_are_durable_with_before_and_after()
    {
        Task<DeviceIdentity?>? seen = null;
        _hub.Registry.Changed += (_, after) => seen = _hub.Registry.FindAsync(after!.Id, default).AsTask();

        var device = await _hub.CreateAsync("pump");

        Assert.Equal(device.ETag, (await seen!)!.ETag);
        Assert.Equal([(null, device)], _hub.Changes);
    }

    [Fact]
    public async Task A_refused_change_is_not_told()
    {
        await _hub.CreateAsync("pump");
        _hub.Changes.Clear();

        await _hub.Registry.CreateAsync(Draft("pump"), default);
        await _hub.Registry.UpdateAsync(Draft("pump"), ETagCondition.Exactly("stale"), default);
        await _hub.Registry.DeleteAsync(Id("nobody"), ETagCondition.Any, default);

        Assert.Empty(_hub.Changes);
    }

    [Fact]
    public async Task A_hundred_writers_of_one_device_each_win_once_or_hear_of_the_conflict()
    {
        var device = await _hub.CreateAsync("pump");

        var outcomes = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ =>
            _hub.Registry.UpdateAsync(Draft("pump"), ETagCondition.Exactly(device.ETag), default).AsTask()));

        Assert.Single(outcomes, outcome => outcome.Value is not null);
        Assert.Equal(99, outcomes.Count(outcome => outcome.Failure?.Code == HubErrorCode.PreconditionFailed));
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData("", null)]
    [InlineData("\"\"", null)]
    [InlineData("*", true)]
    [InlineData("\"*\"", true)]
    [InlineData("abc", true)]
    [InlineData("\"abc\"", true)]
    [InlineData(" \"abc\" ", true)]
    [InlineData("W/\"abc\"", true)]
    [InlineData("\"ABC\"", false)]
    [InlineData("\"abcd\"", false)]
    [Conformance("service-rest", 3)]
    public void If_match_is_read_in_all_its_forms(string? header, bool? isMet)
    {
        var condition = ETagCondition.Parse(header);

        Assert.Equal(isMet, condition is { } one ? one.Check("abc") is null : null);
    }
}
