using Microsoft.Extensions.Logging.Abstractions;
using Nave.Storage;
using Nave.Storage.Schema;

namespace Nave.Hub.Tests.Harness;

/// <summary>A real database in a directory of its own; can be closed and opened again as after a restart.</summary>
public sealed class TestDatabase : IAsyncDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly SchemaPart[] _parts;

    /// <summary>Opens an empty database with those tables.</summary>
    public TestDatabase(params SchemaPart[] parts)
    {
        _parts = parts;
        Database = Open();
    }

    /// <summary>The database as it is open now.</summary>
    public HubDatabase Database { get; private set; }

    /// <summary>Closes and opens it.</summary>
    public async Task ReopenAsync()
    {
        await Database.DisposeAsync();
        Database = Open();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Database.DisposeAsync();
        _directory.Dispose();
    }

    private HubDatabase Open() => HubDatabase.Open(
        new SqliteDialect(_directory.PathOf("hub.db")), _parts, TimeProvider.System, NullLogger<HubDatabase>.Instance);
}
