using System.Security.Cryptography;
using Microsoft.Extensions.Logging.Abstractions;
using Nave.Storage.Keys;

namespace Nave.Storage.Tests;

/// <summary>Wrapped keys open with their master key, in their place, and nowhere else.</summary>
public sealed class KeyWrappingTests : IAsyncLifetime
{
    private static readonly byte[] Secret = [.. Enumerable.Range(1, 32).Select(i => (byte)i)];

    private readonly TemporaryFolder _folder = new();
    private HubDatabase? _database;

    private string KeyFile => _folder.File("keys/master.keys");

    public ValueTask InitializeAsync()
    {
        _database = Open("nave.db");
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _database!.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_secret_opens_in_its_place_and_is_not_in_the_wrapped_bytes()
    {
        var wrapping = await OpenKeysAsync();

        var wrapped = wrapping.Wrap(Secret, "device/a/primary");

        Assert.Equal(Secret, wrapping.Unwrap(wrapped, "device/a/primary"));
        Assert.Equal(-1, wrapped.AsSpan().IndexOf(Secret.AsSpan(0, 8)));
    }

    [Fact]
    public async Task A_secret_moved_to_another_place_does_not_open()
    {
        var wrapping = await OpenKeysAsync();

        var wrapped = wrapping.Wrap(Secret, "device/a/primary");

        Assert.False(wrapping.TryUnwrap(wrapped, "device/b/primary", out _));
        Assert.Throws<NotOurDataException>(() => wrapping.Unwrap(wrapped, "device/b/primary"));
    }

    [Fact]
    public async Task One_flipped_bit_anywhere_is_noticed()
    {
        var wrapping = await OpenKeysAsync();
        var wrapped = wrapping.Wrap(Secret, "here");

        for (var i = 0; i < wrapped.Length * 8; i++)
        {
            var flipped = (byte[])wrapped.Clone();
            flipped[i / 8] ^= (byte)(1 << (i % 8));
            Assert.False(wrapping.TryUnwrap(flipped, "here", out _), $"bit {i}");
        }
    }

    [Fact]
    public async Task Any_shorter_piece_is_refused()
    {
        var wrapping = await OpenKeysAsync();
        var wrapped = wrapping.Wrap(Secret, "here");

        Assert.All(Enumerable.Range(0, wrapped.Length), length => Assert.False(wrapping.TryUnwrap(wrapped.AsSpan(0, length), "here", out _)));
    }

    [Fact]
    public async Task The_key_file_is_private_and_opens_again()
    {
        var wrapped = (await OpenKeysAsync()).Wrap(Secret, "here");

        var again = await OpenKeysAsync();

        Assert.Equal(Secret, again.Unwrap(wrapped, "here"));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(KeyFile));
    }

    [Fact]
    public async Task A_missing_key_file_beside_data_is_refused_and_not_made_anew()
    {
        await OpenKeysAsync();
        File.Delete(KeyFile);

        await Assert.ThrowsAsync<NotOurDataException>(OpenKeysAsync);

        Assert.False(File.Exists(KeyFile));
    }

    [Fact]
    public async Task The_key_file_of_another_database_is_refused()
    {
        await OpenKeysAsync();
        File.Delete(KeyFile);
        await using var other = Open("other.db");
        await KeyWrapping.OpenAsync(other, KeyFile, default);

        await Assert.ThrowsAsync<NotOurDataException>(OpenKeysAsync);
    }

    [Fact]
    public async Task An_appended_key_wraps_from_then_on_and_the_old_one_still_opens()
    {
        var old = await OpenKeysAsync();
        var wrapped = old.Wrap(Secret, "here");
        await File.AppendAllTextAsync(KeyFile, Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)) + "\n");

        var rolled = await OpenKeysAsync();

        Assert.Equal(Secret, rolled.Unwrap(wrapped, "here"));
        Assert.False(old.TryUnwrap(rolled.Wrap(Secret, "here"), "here", out _));
    }

    [Theory]
    [InlineData("")]
    [InlineData("nave master keys 1\n")]
    [InlineData("nave master keys 2\nMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n")]
    [InlineData("nave master keys 1\nMDEyMzQ1\n")]
    [InlineData("nave master keys 1\nnot base64\n")]
    public async Task A_damaged_key_file_is_refused(string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(KeyFile)!);
        await File.WriteAllTextAsync(KeyFile, text);

        await Assert.ThrowsAsync<NotOurDataException>(OpenKeysAsync);
    }

    private HubDatabase Open(string name) => HubDatabase.Open(
        new SqliteDialect(_folder.File(name)), [KeyWrapping.SchemaPart], TimeProvider.System, NullLogger<HubDatabase>.Instance);

    private Task<KeyWrapping> OpenKeysAsync() => KeyWrapping.OpenAsync(_database!, KeyFile, default);
}
