using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Access;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Tests.Access;

/// <summary>Access with everything in memory on a fake clock, and the verbs of its tests.</summary>
internal sealed class AccessHarness : IDisposable
{
    public const string Host = "hub.nave.test";
    public const string KeyA = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    public const string KeyB = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
    public const string KeyC = "Y2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2M=";

    public static readonly IPAddress Peer = IPAddress.Parse("192.0.2.7");

    private AccessHarness(AccessOptions options)
    {
        Options = options;
        Policies = new PolicyRegistry(new InMemoryPolicyStore(), Time, NullLogger<PolicyRegistry>.Instance);
        Authorities = new CertificateAuthorities(new InMemoryAuthorityStore(), Time, NullLogger<CertificateAuthorities>.Instance);
        Access = new AccessControl(
            Identities, Policies, Authorities, new HubNames(Host, ["127.0.0.1"]), options, Time, NullLogger<AccessControl>.Instance);
    }

    public FakeTimeProvider Time { get; } = new(new DateTimeOffset(2026, 5, 4, 12, 0, 0, TimeSpan.Zero));

    public AccessOptions Options { get; }

    public InMemoryIdentities Identities { get; } = new();

    public PolicyRegistry Policies { get; }

    public CertificateAuthorities Authorities { get; }

    public AccessControl Access { get; }

    public static async Task<AccessHarness> CreateAsync(AccessOptions? options = null)
    {
        var harness = new AccessHarness(options ?? new AccessOptions());
        await harness.Policies.LoadAsync([], overwrite: false, CancellationToken.None);
        return harness;
    }

    public static IdentityId Id(string text)
    {
        var parts = text.Split('/');
        return new IdentityId(DeviceId.Parse(parts[0]), parts.Length > 1 ? ModuleId.Parse(parts[1]) : null);
    }

    public string Token(string resource, string key, TimeSpan? validFor = null, string? policy = null) =>
        SasToken.Mint(resource, key, Time.GetUtcNow() + (validFor ?? TimeSpan.FromHours(1)), policy);

    public string PolicyToken(string policy, string resource = Host, TimeSpan? validFor = null) =>
        Token(resource, Policies.Find(policy)!.PrimaryKey, validFor, policy);

    public async Task<Outcome<AccessGrant>> AdmitAsync(string id, string? token, IPAddress? peer = null) =>
        await Access.AdmitDeviceAsync(Id(id), new DeviceProof(token, null, null, peer ?? Peer), CancellationToken.None);

    public async Task<Outcome<AccessGrant>> AdmitBearerAsync(string token, bool eventHubsSigning = false, IPAddress? peer = null) =>
        await Access.AdmitTokenAsync(token, eventHubsSigning, peer ?? Peer, CancellationToken.None);

    public async Task<AccessGrant> ExpectAdmittedAsync(string id, string token)
    {
        var outcome = await AdmitAsync(id, token);
        Assert.True(outcome.Value is not null, outcome.Failure?.Detail);
        return outcome.Value;
    }

    public async Task<AccessGrant> ExpectBearerAsync(string token)
    {
        var outcome = await AdmitBearerAsync(token);
        Assert.True(outcome.Value is not null, outcome.Failure?.Detail);
        return outcome.Value;
    }

    public async Task<HubFailure> ExpectRefusedAsync(string id, string? token)
    {
        var outcome = await AdmitAsync(id, token);
        Assert.Null(outcome.Value);
        Assert.Equal(401, outcome.Failure!.HttpStatus);
        Assert.Equal("amqp:unauthorized-access", outcome.Failure.AmqpCondition);
        Assert.Equal(ConnackCode.NotAuthorized, outcome.Failure.Connack);
        return outcome.Failure;
    }

    public void Dispose()
    {
        Policies.Dispose();
        Authorities.Dispose();
    }
}
