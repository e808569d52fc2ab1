using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Commands;
using Nave.Hub.Devices;
using Nave.Hub.Events;
using Nave.Hub.Jobs;
using Nave.Hub.Tests.Harness;
using Nave.Hub.Twins;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;
using Nave.Storage;
using Nave.Storage.Keys;
using Nave.Storage.Schema;

namespace Nave.Hub.Tests.Devices;

/// <summary>The registry on a database of its own and a fake clock, and the verbs of its tests.</summary>
internal sealed class RegistryHarness : IAsyncDisposable
{
    public const string KeyA = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    public const string KeyB = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

    /// <summary>The tables, for another connection to the same data.</summary>
    public static readonly SchemaPart[] Schema =
        [KeyWrapping.SchemaPart, RegistrySchema.Part, CommandStore.Schema, EventOutbox.Schema, ConnectionEvents.Schema, JobStore.Schema];

    private readonly TempDirectory _directory = new();

    private RegistryHarness()
    {
    }

    public FakeTimeProvider Time { get; } = new(new DateTimeOffset(2026, 5, 4, 12, 0, 0, TimeSpan.Zero));

    public RegistryLimits Limits { get; private init; } = new();

    public HubDatabase Database { get; private set; } = null!;

    public IdentityStore Store { get; private set; } = null!;

    public DeviceRegistry Registry { get; private set; } = null!;

    public string DatabasePath => _directory.PathOf("nave.db");

    public TwinWriter Twins { get; private set; } = null!;

    public SubscriptionStore Subscriptions { get; private set; } = null!;

    public Presence Presence { get; private set; } = null!;

    public NodeIncarnation Node { get; private set; } = null!;

    /// <summary>Sources that somebody wants events of: none until a test says so.</summary>
    public ChangeSources Sources { get; } = ChangeSources.None;

    public EventOutbox Outbox => field ??= new EventOutbox(Sources, NullLogger<EventOutbox>.Instance);

    public List<(DeviceIdentity? Before, DeviceIdentity? After)> Changes { get; } = [];

    public static async Task<RegistryHarness> CreateAsync(RegistryLimits? limits = null)
    {
        var harness = new RegistryHarness { Limits = limits ?? new RegistryLimits() };
        await harness.OpenAsync(1);
        return harness;
    }

    public static IdentityId Id(string text)
    {
        var parts = text.Split('/');
        return new IdentityId(DeviceId.Parse(parts[0]), parts.Length > 1 ? ModuleId.Parse(parts[1]) : null);
    }

    public static IdentityDraft Draft(string id, AuthenticationDraft? authentication = null) =>
        new(Id(id)) { Authentication = authentication };

    /// <summary>Another life of the node on the same data.</summary>
    public async Task RestartAsync(byte life)
    {
        await CloseAsync();
        await OpenAsync(life);
    }

    public Task<DeviceIdentity> CreateAsync(string id, AuthenticationDraft? authentication = null) =>
        ExpectAsync(Registry.CreateAsync(Draft(id, authentication), default));

    public async Task<DeviceIdentity> ExpectAsync(ValueTask<Outcome<DeviceIdentity>> pending)
    {
        var outcome = await pending;
        Assert.True(outcome.Value is not null, outcome.Failure?.ToString());
        return outcome.Value;
    }

    public async Task ExpectFailureAsync(HubErrorCode code, ValueTask<Outcome<DeviceIdentity>> pending)
    {
        var outcome = await pending;
        Assert.Equal(code, outcome.Failure?.Code);
        Assert.Null(outcome.Value);
    }

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        _directory.Dispose();
    }

    private async Task OpenAsync(byte life)
    {
        Database = HubDatabase.Open(
            new SqliteDialect(DatabasePath), Schema, Time, NullLogger<HubDatabase>.Instance);
        Store = new IdentityStore(await KeyWrapping.OpenAsync(Database, _directory.PathOf("keys/master.keys"), default));
        Twins = new TwinWriter(new TwinOptions(), Outbox, Time);
        Registry = new DeviceRegistry(Database, Store, new RegistryRules(new IdentityMarks(Time), Time), Limits, new LifecycleEvents(Outbox, Time), Twins);
        Registry.Changed += (before, after) => Changes.Add((before, after));
        Subscriptions = new SubscriptionStore(Database);
        Node = new NodeIncarnation(new Guid(life, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
        var events = new ConnectionEvents(
            Database, Outbox, Node, ConnectionEventOptions.Default, Time, NullLogger<ConnectionEvents>.Instance);
        Presence = new Presence(new PresenceStore(Database), Registry, events, Node, Time, NullLogger<Presence>.Instance);
        await Presence.StartAsync(default);
    }

    private async Task CloseAsync()
    {
        await Presence.StopAsync();
        Presence.Dispose();
        await Database.DisposeAsync();
    }
}
