using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Tests.Harness;
using Nave.PskGateway.Keys;
using Nave.PskGateway.Tests.Harness;
using Nave.Storage;
using Nave.Tests;

namespace Nave.PskGateway.Tests.Keys;

public sealed class PskStoreTests : IDisposable
{
    private readonly TempDirectory _folder = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 26, 12, 0, 0, TimeSpan.Zero));

    [Fact]
    [Conformance("tls-psk", 12)]
    public async Task No_byte_of_a_key_lies_in_the_store()
    {
        await using (var store = await PskDesk.OpenStoreAsync(_folder.Path, _time))
        {
            await PskDesk.AddAsync(store, "dev", PskDevice.Key);
            Assert.Null(await store.AddGroupAsync("meters", "meter-(?<device>.*)", PskDevice.OtherKey, TestContext.Current.CancellationToken));
            AssertNowhere();
        }

        AssertNowhere();

        void AssertNowhere()
        {
            foreach (var file in Directory.GetFiles(_folder.Path, "psk.db*"))
            {
                using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
                var bytes = new byte[stream.Length];
                stream.ReadExactly(bytes);
                Assert.All([PskDevice.Key, PskDevice.OtherKey], key => Assert.Equal(-1, bytes.AsSpan().IndexOf(key.AsSpan(0, 8))));
                Assert.All([PskDevice.Key, PskDevice.OtherKey], key => Assert.Equal(-1, bytes.AsSpan().IndexOf(System.Text.Encoding.ASCII.GetBytes(Convert.ToHexStringLower(key.AsSpan(0, 8))))));
            }
        }
    }

    [Fact]
    public async Task A_key_that_was_moved_to_another_identity_does_not_open()
    {
        await using (var store = await PskDesk.OpenStoreAsync(_folder.Path, _time))
        {
            await PskDesk.AddAsync(store, "dev", PskDevice.Key);
            await PskDesk.AddAsync(store, "thief", PskDevice.OtherKey);
        }

        await using (var database = new SqliteConnection($"Data Source={Path.Combine(_folder.Path, "psk.db")};Pooling=False"))
        {
            await database.OpenAsync(TestContext.Current.CancellationToken);
            await using var command = database.CreateCommand();
            command.CommandText = "UPDATE psk_keys SET sealed = (SELECT sealed FROM psk_keys WHERE identity = 'thief') WHERE identity = 'dev'";
            Assert.Equal(1, await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken));
        }

        await using var opened = await PskDesk.OpenStoreAsync(_folder.Path, _time);
        var rows = await opened.ListAsync(TestContext.Current.CancellationToken);
        Assert.Null(opened.Open(rows.Single(row => row.Identity == "dev")));
        Assert.Equal(PskDevice.OtherKey, opened.Open(rows.Single(row => row.Identity == "thief")));
    }

    [Theory]
    [InlineData("device_id = 'victim'")]
    [InlineData("not_after = 99999999999")]
    public async Task A_key_opens_for_its_device_and_its_time_only(string change)
    {
        await using (var store = await PskDesk.OpenStoreAsync(_folder.Path, _time))
        {
            await PskDesk.AddAsync(store, "thief", PskDevice.Key);
        }

        await using (var database = new SqliteConnection($"Data Source={Path.Combine(_folder.Path, "psk.db")};Pooling=False"))
        {
            await database.OpenAsync(TestContext.Current.CancellationToken);
            await using var command = database.CreateCommand();
            command.CommandText = $"UPDATE psk_keys SET {change}";
            Assert.Equal(1, await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken));
        }

        await using var opened = await PskDesk.OpenStoreAsync(_folder.Path, _time);
        var rows = await opened.ListAsync(TestContext.Current.CancellationToken);
        Assert.Null(opened.Open(Assert.Single(rows)));
    }

    [Fact]
    public async Task A_master_key_beside_the_store_or_readable_by_others_stops_the_start()
    {
        var store = Path.Combine(_folder.Path, "psk.db");
        var beside = await Assert.ThrowsAsync<NotOurDataException>(() => OpenAsync(store, Path.Combine(_folder.Path, "master.key")));
        var key = Path.Combine(_folder.Path, "keys", "master.key");
        await (await OpenAsync(store, key)).DisposeAsync();
        File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        var readable = await Assert.ThrowsAsync<NotOurDataException>(() => OpenAsync(store, key));

        Assert.Contains("lies beside psk.db", beside.Message, StringComparison.Ordinal);
        Assert.Contains("chmod 600", readable.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_foreign_master_key_is_refused()
    {
        var store = Path.Combine(_folder.Path, "psk.db");
        await (await OpenAsync(store, Path.Combine(_folder.Path, "a", "master.key"))).DisposeAsync();
        await (await OpenAsync(Path.Combine(_folder.Path, "other.db"), Path.Combine(_folder.Path, "b", "master.key"))).DisposeAsync();

        await Assert.ThrowsAsync<NotOurDataException>(() => OpenAsync(store, Path.Combine(_folder.Path, "b", "master.key")));
    }

    [Theory]
    [InlineData(15, false)]
    [InlineData(16, true)]
    [InlineData(512, true)]
    [InlineData(513, false)]
    public async Task A_key_has_a_length_that_cannot_be_guessed_and_that_clients_can_use(int bytes, bool isTaken)
    {
        await using var store = await PskDesk.OpenStoreAsync(_folder.Path, _time);

        var problem = await store.AddAsync(new NewPsk("dev", PskRecord.Primary, null), new byte[bytes], TestContext.Current.CancellationToken);

        Assert.Equal(isTaken, problem is null);
        Assert.Equal(isTaken, PskRules.TryReadKey(new string('a', 2 * bytes), out _, out _));
    }

    [Fact]
    public async Task An_identity_has_two_keys_of_one_device()
    {
        await using var store = await PskDesk.OpenStoreAsync(_folder.Path, _time);
        var stopping = TestContext.Current.CancellationToken;
        await PskDesk.AddAsync(store, "id", PskDevice.Key, "dev");

        Assert.NotNull(await store.AddAsync(new NewPsk("id", PskRecord.Primary, Nave.Protocol.Identities.DeviceId.Parse("dev")), PskDevice.OtherKey, stopping));
        Assert.NotNull(await store.AddAsync(new NewPsk("id", PskRecord.Secondary, Nave.Protocol.Identities.DeviceId.Parse("other")), PskDevice.OtherKey, stopping));
        await PskDesk.AddAsync(store, "id", PskDevice.OtherKey, "dev", PskRecord.Secondary);
        Assert.Equal(1, await store.RemoveAsync("id", PskRecord.Primary, stopping));

        Assert.Equal(PskRecord.Secondary, Assert.Single(await store.ListAsync(stopping)).Slot);
    }

    [Theory]
    [InlineData("")]
    [InlineData("tab\there")]
    [InlineData("0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789")]
    public async Task What_cannot_be_an_identity_is_refused(string identity)
    {
        await using var store = await PskDesk.OpenStoreAsync(_folder.Path, _time);

        Assert.NotNull(await store.AddAsync(new NewPsk(identity, PskRecord.Primary, null), PskDevice.Key, TestContext.Current.CancellationToken));
    }

    public void Dispose() => _folder.Dispose();

    private Task<PskStore> OpenAsync(string store, string key) =>
        PskStore.OpenAsync(store, key, _time, NullLoggerFactory.Instance, TestContext.Current.CancellationToken);
}
