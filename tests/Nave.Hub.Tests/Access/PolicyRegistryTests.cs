using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Access;
using Nave.Protocol;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;

namespace Nave.Hub.Tests.Access;

public sealed class PolicyRegistryTests : IDisposable
{
    private readonly InMemoryPolicyStore _store = new();
    private readonly FakeTimeProvider _time = new();
    private readonly List<PolicyRegistry> _registries = [];

    public void Dispose() => _registries.ForEach(registry => registry.Dispose());

    [Fact]
    public async Task The_first_start_makes_the_five_built_in_policies_with_keys_of_their_own()
    {
        var registry = await OpenAsync();

        Assert.Equal(
            ["device: DeviceConnect", "iothubowner: RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect", "registryRead: RegistryRead",
                "registryReadWrite: RegistryRead, RegistryWrite", "service: ServiceConnect"],
            registry.All.Select(policy => $"{policy.Name}: {AccessRightsText.Format(policy.Rights)}"));
        var keys = registry.All.SelectMany(policy => new[] { policy.PrimaryKey, policy.SecondaryKey }).ToList();
        Assert.All(keys, key => Assert.Equal(32, Convert.FromBase64String(key).Length));
        Assert.Equal(10, keys.Distinct().Count());
    }

    [Fact]
    public async Task A_second_start_keeps_the_keys_and_does_not_bring_back_what_was_deleted()
    {
        var first = await OpenAsync();
        await first.DeleteAsync("device", default);

        var second = await OpenAsync();

        Assert.Null(second.Find("device"));
        Assert.Equal(first.Find("service"), second.Find("SERVICE"));
        Assert.Equal(4, second.All.Count);
    }

    [Fact]
    public async Task Seeds_fix_keys_at_the_first_start_and_change_what_exists_only_when_told_to()
    {
        var seeds = new[] { new PolicySeed("iothubowner", null, AccessHarness.KeyA, AccessHarness.KeyB), new PolicySeed("tokens", AccessRights.DeviceConnect) };
        var first = await OpenAsync(seeds);
        var tokensKey = first.Find("tokens")!.PrimaryKey;
        var changed = new[] { new PolicySeed("IotHubOwner", null, AccessHarness.KeyC), new PolicySeed("tokens", AccessRights.RegistryWrite), new PolicySeed("more", AccessRights.ServiceConnect) };

        var kept = await OpenAsync(changed);
        Assert.Equal(6, first.All.Count);
        Assert.Equal(AccessHarness.KeyA, kept.Find("iothubowner")!.PrimaryKey);
        Assert.Equal(AccessRights.DeviceConnect, kept.Find("tokens")!.Rights);
        Assert.NotNull(kept.Find("more"));

        var overwritten = await OpenAsync(changed, overwrite: true);
        Assert.Equal((AccessHarness.KeyC, AccessHarness.KeyB), (overwritten.Find("iothubowner")!.PrimaryKey, overwritten.Find("iothubowner")!.SecondaryKey));
        Assert.Equal(AccessRights.RegistryWrite | AccessRights.RegistryRead, overwritten.Find("tokens")!.Rights);
        Assert.Equal(tokensKey, overwritten.Find("tokens")!.PrimaryKey);
        await Assert.ThrowsAsync<ArgumentException>(() => OpenAsync([new PolicySeed("bad key", AccessRights.ServiceConnect)]));
        await Assert.ThrowsAsync<ArgumentException>(() => OpenAsync([new PolicySeed("short", AccessRights.ServiceConnect, "AAAA")]));
    }

    [Fact]
    public async Task A_policy_is_created_narrowed_rolled_and_deleted()
    {
        var registry = await OpenAsync();
        var changes = new List<string>();
        registry.Changed += changes.Add;

        var created = (await registry.CreateAsync(new PolicySeed("Tokens", AccessRights.RegistryWrite), PolicyBounds.None, default)).Value!;
        var narrowed = (await registry.ChangeAsync("tokens", AccessRights.DeviceConnect, new PolicyBounds("pump-*", [IPNetwork.Parse("10.0.0.0/8")]), default)).Value!;
        var rolled = (await registry.RollAsync("TOKENS", SasSigner.Secondary, AccessHarness.KeyC, default)).Value!;
        var renamedNothing = (await registry.ChangeAsync("tokens", AccessRights.ServiceConnect, null, default)).Value!;
        Assert.Null(await registry.DeleteAsync("tokens", default));

        Assert.Equal(AccessRights.RegistryWrite | AccessRights.RegistryRead, created.Rights);
        Assert.Equal(("pump-*", AccessRights.DeviceConnect), (narrowed.DevicePattern, narrowed.Rights));
        Assert.Equal((created.PrimaryKey, AccessHarness.KeyC), (rolled.PrimaryKey, rolled.SecondaryKey));
        Assert.Equal("pump-*", renamedNothing.DevicePattern);
        Assert.Null(registry.Find("tokens"));
        Assert.Equal(["Tokens", "Tokens", "Tokens", "Tokens"], changes);
    }

    [Fact]
    public async Task Rules_are_said()
    {
        var registry = await OpenAsync();
        var refusals = new[]
        {
            (await registry.CreateAsync(new PolicySeed("SERVICE", AccessRights.ServiceConnect), PolicyBounds.None, default)).Failure,
            (await registry.CreateAsync(new PolicySeed("a/b", AccessRights.ServiceConnect), PolicyBounds.None, default)).Failure,
            (await registry.CreateAsync(new PolicySeed(new string('a', 257), AccessRights.ServiceConnect), PolicyBounds.None, default)).Failure,
            (await registry.CreateAsync(new PolicySeed("none"), PolicyBounds.None, default)).Failure,
            (await registry.CreateAsync(new PolicySeed("short", AccessRights.ServiceConnect, "AAAA"), PolicyBounds.None, default)).Failure,
            (await registry.ChangeAsync("service", AccessRights.None, null, default)).Failure,
            (await registry.RollAsync("service", SasSigner.Primary, "AAAA", default)).Failure,
        };

        Assert.All(refusals, failure => Assert.Equal(400, failure?.HttpStatus));
        Assert.Equal(404, (await registry.RollAsync("nobody", SasSigner.Primary, null, default)).Failure?.HttpStatus);
        Assert.Equal(404, (await registry.DeleteAsync("nobody", default))?.HttpStatus);
    }

    [Fact]
    public async Task A_hub_has_sixteen_policies_at_most()
    {
        var registry = await OpenAsync();
        for (var i = registry.All.Count; i < HubLimits.MaxPolicies; i++)
        {
            Assert.NotNull((await registry.CreateAsync(new PolicySeed($"p{i}", AccessRights.ServiceConnect), PolicyBounds.None, default)).Value);
        }

        var outcome = await registry.CreateAsync(new PolicySeed("one-more", AccessRights.ServiceConnect), PolicyBounds.None, default);

        Assert.Equal(HubErrorCode.ArgumentInvalid, outcome.Failure?.Code);
        Assert.Equal(16, registry.All.Count);
    }

    [Fact]
    public async Task Two_nodes_do_not_overwrite_each_other_unseen()
    {
        var one = await OpenAsync();
        var other = await OpenAsync();
        await one.RollAsync("service", SasSigner.Primary, AccessHarness.KeyC, default);

        var late = await other.RollAsync("service", SasSigner.Secondary, null, default);
        var again = await other.RollAsync("service", SasSigner.Secondary, null, default);

        Assert.Equal(HubErrorCode.PreconditionFailed, late.Failure?.Code);
        Assert.Equal(AccessHarness.KeyC, again.Value?.PrimaryKey);
    }

    [Theory]
    [InlineData("*", "anything", true)]
    [InlineData("pump-*", "pump-", true)]
    [InlineData("pump-*", "Pump-1", false)]
    [InlineData("*-7", "pump-17-7", true)]
    [InlineData("a*b*c", "aXbXbXc", true)]
    [InlineData("a*b*c", "aXbX", false)]
    [InlineData("", "a", false)]
    [InlineData("a", "ab", false)]
    [InlineData("a?", "ab", false)]
    public void A_star_stands_for_any_run_of_characters(string pattern, string device, bool isFor)
    {
        var policy = new SharedAccessPolicy { Name = "p", Rights = AccessRights.DeviceConnect, PrimaryKey = "", SecondaryKey = "", DevicePattern = pattern };

        Assert.Equal(isFor, policy.IsFor(Protocol.Identities.DeviceId.Parse(device)));
    }

    [Fact]
    public void A_policy_in_words_shows_no_key() => Assert.Equal(
        "SharedAccessPolicy { p: DeviceConnect }",
        new SharedAccessPolicy { Name = "p", Rights = AccessRights.DeviceConnect, PrimaryKey = AccessHarness.KeyA, SecondaryKey = AccessHarness.KeyB }.ToString());

    [Theory]
    [InlineData("RegistryWrite, ServiceConnect", AccessRights.RegistryRead | AccessRights.RegistryWrite | AccessRights.ServiceConnect)]
    [InlineData("deviceconnect", AccessRights.DeviceConnect)]
    [InlineData("RegistryRead,RegistryWrite", AccessRights.RegistryRead | AccessRights.RegistryWrite)]
    public void Rights_read_from_text(string text, AccessRights expected)
    {
        Assert.True(AccessRightsText.TryParse(text, out var rights));
        Assert.Equal(expected, rights);
    }

    [Theory]
    [InlineData("")]
    [InlineData("None")]
    [InlineData("15")]
    [InlineData("RegistryRead;ServiceConnect")]
    [InlineData("Everything")]
    [InlineData(null)]
    public void Other_text_is_no_rights(string? text) => Assert.False(AccessRightsText.TryParse(text, out _));

    private async Task<PolicyRegistry> OpenAsync(IReadOnlyList<PolicySeed>? seeds = null, bool overwrite = false)
    {
        var registry = new PolicyRegistry(_store, _time, NullLogger<PolicyRegistry>.Instance);
        _registries.Add(registry);
        await registry.LoadAsync(seeds ?? [], overwrite, default);
        return registry;
    }
}
