using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Nave.Hub.Access;
using Nave.Protocol.Access;
using Nave.Storage;
using Nave.Storage.Keys;

namespace Nave.Hub.Tests.Access;

/// <summary>The contract of the two stores, in memory and in SQL.</summary>
public sealed class AccessStoreTests : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("nave-access-").FullName;
    private HubDatabase? _database;

    public async ValueTask DisposeAsync()
    {
        if (_database is not null)
        {
            await _database.DisposeAsync();
        }

        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Policies_are_kept_whole_and_change_by_version(bool isSql)
    {
        var store = isSql ? new SqlPolicyStore(await OpenAsync(), await WrappingAsync()) : (IPolicyStore)new InMemoryPolicyStore();
        var policy = Policy("Tokens");

        Assert.True(await store.AddAsync([policy, Policy("other")], default));
        Assert.False(await store.AddAsync([Policy("third"), Policy("TOKENS")], default));
        Assert.Equal(["Tokens", "other"], (await store.ListAsync(default)).Select(stored => stored.Name).Order(StringComparer.Ordinal));
        var stored = (await store.ListAsync(default)).Single(stored => stored.Name == "Tokens");
        Assert.Equal(policy with { Addresses = [] }, stored with { Addresses = [] });
        Assert.Equal(policy.Addresses, stored.Addresses);

        var changed = policy with { PrimaryKey = AccessHarness.KeyC, DevicePattern = null, Version = 2 };
        Assert.False(await store.ReplaceAsync(changed, 7, default));
        Assert.True(await store.ReplaceAsync(changed, 1, default));
        Assert.Equal(AccessHarness.KeyC, (await store.ListAsync(default)).Single(stored => stored.Name == "Tokens").PrimaryKey);

        Assert.False(await store.DeleteAsync("tokens", 1, default));
        Assert.True(await store.DeleteAsync("tokens", 2, default));
        Assert.Equal(["other"], (await store.ListAsync(default)).Select(stored => stored.Name));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Authorities_are_kept_whole_and_change_by_version(bool isSql)
    {
        var store = isSql ? new SqlAuthorityStore(await OpenAsync()) : (IAuthorityStore)new InMemoryAuthorityStore();
        using var certificate = TestCertificates.CreateAuthority("root");
        var authority = new CertificateAuthority { Name = "Root", Certificate = certificate.RawData, Subject = certificate.Subject, NotAfter = TestCertificates.End };

        Assert.True(await store.AddAsync(authority, default));
        Assert.False(await store.AddAsync(authority with { Name = "ROOT" }, default));
        Assert.Equal(authority.Digest, Assert.Single(await store.ListAsync(default)).Digest);

        Assert.False(await store.ReplaceAsync(authority with { IsVerified = true, Version = 2 }, 2, default));
        Assert.True(await store.ReplaceAsync(authority with { IsVerified = true, VerificationCode = "c", Version = 2 }, 1, default));
        var stored = Assert.Single(await store.ListAsync(default));
        Assert.Equal((true, "c", 2, "Root", TestCertificates.End), (stored.IsVerified, stored.VerificationCode, stored.Version, stored.Name, stored.NotAfter));

        Assert.False(await store.DeleteAsync("root", 1, default));
        Assert.True(await store.DeleteAsync("root", 2, default));
        Assert.Empty(await store.ListAsync(default));
    }

    [Fact]
    public async Task Keys_do_not_lie_in_the_database_in_clear()
    {
        var store = new SqlPolicyStore(await OpenAsync(), await WrappingAsync());
        await store.AddAsync([Policy("tokens")], default);

        await _database!.DisposeAsync();
        var bytes = await File.ReadAllBytesAsync(Path.Combine(_folder, "nave.db"));

        var raw = Convert.FromBase64String(AccessHarness.KeyA);
        Assert.True(bytes.AsSpan().IndexOf("tokens"u8) >= 0);
        Assert.True(bytes.AsSpan().IndexOf(System.Text.Encoding.ASCII.GetBytes(AccessHarness.KeyA)) < 0);
        Assert.True(bytes.AsSpan().IndexOf(raw) < 0);
        _database = null;
    }

    private static SharedAccessPolicy Policy(string name) => new()
    {
        Name = name,
        Rights = AccessRights.DeviceConnect | AccessRights.RegistryRead,
        PrimaryKey = AccessHarness.KeyA,
        SecondaryKey = AccessHarness.KeyB,
        DevicePattern = "pump-*",
        Addresses = [IPNetwork.Parse("10.0.0.0/8"), IPNetwork.Parse("2001:db8::/32")],
        CreatedAt = TestCertificates.Begin,
        UpdatedAt = TestCertificates.End,
    };

    private Task<HubDatabase> OpenAsync()
    {
        _database = HubDatabase.Open(
            new SqliteDialect(Path.Combine(_folder, "nave.db")), [KeyWrapping.SchemaPart, AccessSchema.Part], TimeProvider.System, NullLogger<HubDatabase>.Instance);
        return Task.FromResult(_database);
    }

    private Task<KeyWrapping> WrappingAsync() => KeyWrapping.OpenAsync(_database!, Path.Combine(_folder, "keys"), default);
}
