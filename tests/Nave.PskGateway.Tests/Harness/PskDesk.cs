using System.Net;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Tests.Harness;
using Nave.Protocol.Identities;
using Nave.PskGateway.Keys;
using Nave.Storage.Audit;

namespace Nave.PskGateway.Tests.Harness;

/// <summary>A gateway with a real port and a real key store before a hub that the test plays. Its clock stands still unless moved.</summary>
internal sealed class PskDesk : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly TempDirectory _folder = new();
    private AuditTrail? _audit;

    private PskDesk()
    {
    }

    public FakeTimeProvider Time { get; } = new(new DateTimeOffset(2026, 11, 26, 12, 0, 0, TimeSpan.Zero));

    public FakeHub Hub { get; } = new();

    public TestLog Log { get; } = new();

    public string Folder => _folder.Path;

    public PskStore Store { get; private set; } = null!; // Set before anybody sees the desk.

    public PskServer Server { get; private set; } = null!;

    public static async Task<PskDesk> StartAsync(Func<PskGatewayOptions, PskGatewayOptions>? change = null, Func<PskStore, Task>? fill = null)
    {
        var stopping = TestContext.Current.CancellationToken;
        var desk = new PskDesk();
        desk.Store = await OpenStoreAsync(desk.Folder, desk.Time);
        await (fill?.Invoke(desk.Store) ?? desk.AddAsync("dev", PskDevice.Key));
        var options = new PskGatewayOptions { Address = IPAddress.Loopback, Port = 0 };
        options = change?.Invoke(options) ?? options;
        var keyring = await PskKeyring.OpenAsync(desk.Store, options.IdentityPattern, desk.Time, stopping);
        desk._audit = new AuditTrail(desk.Folder, desk.Time, NullLogger.Instance);
        var loggers = new LoggerFactory([desk.Log], new LoggerFilterOptions { MinLevel = LogLevel.Trace });
        desk.Server = PskServer.Start(options, keyring, desk.Hub, new PskSignals(desk._audit, loggers.CreateLogger<PskSignals>()), desk.Time);
        return desk;
    }

    public static Task<PskStore> OpenStoreAsync(string folder, TimeProvider time) => PskStore.OpenAsync(
        Path.Combine(folder, "psk.db"), Path.Combine(folder, "keys", "master.key"), time, NullLoggerFactory.Instance, TestContext.Current.CancellationToken);

    public Task AddAsync(string identity, byte[] key, string? device = null, string slot = PskRecord.Primary) => AddAsync(Store, identity, key, device, slot);

    public static async Task AddAsync(PskStore store, string identity, byte[] key, string? device = null, string slot = PskRecord.Primary) =>
        Assert.Null(await store.AddAsync(new NewPsk(identity, slot, device is null ? null : DeviceId.Parse(device)), key, TestContext.Current.CancellationToken));

    /// <summary>Closes the gateway and reads what its audit trail has.</summary>
    public async Task<string> AuditAsync()
    {
        await Server.DisposeAsync();
        await _audit!.DisposeAsync();
        return await File.ReadAllTextAsync(Path.Combine(Folder, "audit.jsonl"));
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        await _audit!.DisposeAsync();
        await Store.DisposeAsync();
        _folder.Dispose();
    }
}
