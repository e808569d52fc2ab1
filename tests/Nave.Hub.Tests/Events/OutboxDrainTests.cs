using System.Text;
using Amqp;
using Amqp.Types;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Nave.EventLog;
using Nave.Hub.Events;
using Nave.Hub.Telemetry;
using Nave.Hub.Tests.Devices;
using Nave.Hub.Tests.Harness;
using Nave.Hub.Tests.Heads.Amqp;
using Nave.Protocol.Access;

namespace Nave.Hub.Tests.Events;

public sealed class OutboxDrainTests : IAsyncLifetime
{
    private static readonly DateTimeOffset At = new DateTimeOffset(2026, 5, 4, 12, 0, 0, TimeSpan.Zero).AddTicks(1234567);

    private readonly TestDatabase _store = new(EventOutbox.Schema);
    private readonly TelemetryStreams _streams = new(4);
    private readonly FakeTimeProvider _time = new(At);
    private readonly TestLog _log = new();
    private readonly ILoggerFactory _loggers;
    private readonly EventOutbox _outbox = new(new ChangeSources([ChangeSource.TwinChangeEvents]), NullLogger<EventOutbox>.Instance);
    private readonly SwitchedLog _events;

    public OutboxDrainTests()
    {
        _events = new SwitchedLog(_streams.Telemetry);
        _loggers = LoggerFactory.Create(logging => logging.AddProvider(_log).SetMinimumLevel(LogLevel.Trace));
    }

    public ValueTask InitializeAsync() => default;

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        _loggers.Dispose();
        _log.AssertNoErrors();
    }

    [Fact]
    public async Task A_committed_change_reaches_the_log_once_and_leaves_the_outbox()
    {
        await AddAsync("a");
        var drain = CreateDrain();

        Assert.Equal(DrainStep.Sent, await drain.StepAsync(default));
        Assert.Equal(DrainStep.Empty, await drain.StepAsync(default));

        Assert.Equal(["a"], Bodies());
        Assert.Equal(0, await CountAsync());
    }

    [Fact]
    public async Task A_change_that_is_rolled_back_has_no_event()
    {
        await Assert.ThrowsAsync<InvalidOperationException>(() => _store.Database.WriteAsync(
            session =>
            {
                _outbox.Add(session, Change("a"));
                throw new InvalidOperationException("changed my mind");
            },
            default));

        Assert.Equal(DrainStep.Empty, await CreateDrain().StepAsync(default));
        Assert.Empty(_events.Events);
    }

    [Fact]
    public async Task A_crash_between_the_commit_and_the_append_loses_nothing()
    {
        await AddAsync("a", "b");

        await _store.ReopenAsync();
        await CreateDrain().StepAsync(default);

        Assert.Equal(["a", "b"], Bodies());
    }

    [Fact]
    public async Task A_crash_between_the_append_and_the_removal_sends_again_under_the_same_correlation_id()
    {
        await AddAsync("a");
        await CreateDrain().StepAsync(default);

        await _store.ReopenAsync(); // The next step would have removed it.
        await CreateDrain().StepAsync(default);

        Assert.Equal(["a", "a"], Bodies());
        Assert.Single(_events.Events.Select(e => e.Message.Properties.CorrelationId).Distinct());
    }

    [Fact]
    public async Task A_number_that_was_removed_never_comes_back()
    {
        await AddAsync("a");
        var drain = CreateDrain();
        await drain.StepAsync(default);
        await drain.StepAsync(default); // The outbox is empty now.

        await AddAsync("b");
        await drain.StepAsync(default);

        Assert.Equal(["a", "b"], Bodies());
    }

    [Fact]
    public async Task A_batch_that_the_log_lost_is_sent_again()
    {
        await AddAsync("a");
        var drain = CreateDrain();
        _events.LosesBatches = true;
        Assert.Equal(DrainStep.Refused, await drain.StepAsync(default));

        _events.LosesBatches = false;
        Assert.Equal(DrainStep.Sent, await drain.StepAsync(default));

        Assert.Equal(["a"], Bodies());
    }

    [Fact]
    public async Task What_the_log_took_before_it_refused_is_not_sent_again()
    {
        await AddAsync("a", "b", "c");
        var drain = CreateDrain();
        _events.TakesBeforeFault = 2;
        Assert.Equal(DrainStep.Refused, await drain.StepAsync(default));

        _events.TakesBeforeFault = int.MaxValue;
        await drain.StepAsync(default);

        Assert.Equal(["a", "b", "c"], Bodies());
    }

    [Fact]
    public async Task The_drain_waits_out_a_log_that_refuses_and_goes_on_in_order()
    {
        using var drain = CreateDrain();
        _events.Fault = new LogFault(LogFaultKind.DiskFull, "full");
        await AddAsync("a");
        await drain.StartAsync(default);
        await Eventually.IsAsync(() => _log.Lines.Any(line => line.Id == 5702));

        await AddAsync("b");
        _events.Fault = null;
        await Eventually.IsAsync(() =>
        {
            _time.Advance(OutboxDrain.RetryAfter);
            return _events.Events.Count == 2;
        });

        await drain.StopAsync(default);
        Assert.Equal(["a", "b"], Bodies());
        Assert.Single(_log.Lines, line => line.Id == 5702);
    }

    [Fact]
    public async Task A_running_drain_hears_of_each_change()
    {
        using var drain = CreateDrain();
        await drain.StartAsync(default);

        await AddAsync("a");
        await Eventually.IsAsync(() => _events.Events.Count == 1);
        await AddAsync("b");
        await Eventually.IsAsync(() => _events.Events.Count == 2);

        await drain.StopAsync(default);
    }

    [Fact]
    public async Task Batches_are_bounded_in_rows_and_bytes()
    {
        await AddAsync([.. Enumerable.Range(0, 5).Select(i => $"{i}")]);

        Assert.Equal(3, (await TakeAsync(maxRows: 3, maxBytes: 1000)).Count);
        Assert.Equal(2, (await TakeAsync(maxRows: 5, maxBytes: 2)).Count);
        Assert.Single(await TakeAsync(maxRows: 5, maxBytes: 1));
    }

    [Fact]
    public async Task A_backlog_of_many_batches_is_sent_in_order()
    {
        string[] bodies = [.. Enumerable.Range(0, (2 * OutboxDrain.MaxRows) + 1).Select(i => $"{i}")];
        await AddAsync(bodies);
        var drain = CreateDrain();

        while (await drain.StepAsync(default) is DrainStep.Sent)
        {
        }

        Assert.Equal(bodies, Bodies());
    }

    [Fact]
    public async Task A_source_that_nobody_wants_costs_no_row()
    {
        await _store.Database.WriteAsync(
            session => _outbox.Add(session, ChangeEvent.IdentityCreated(RegistryHarness.Id("dev-1"), At, Encoding.UTF8.GetBytes("x"))), default);

        Assert.False(_outbox.IsWanted(ChangeSource.DeviceLifecycleEvents));
        Assert.Equal(0, await CountAsync());
    }

    [Fact]
    public async Task A_body_that_no_record_can_hold_becomes_an_empty_object()
    {
        await AddAsync(new string('x', EventOutbox.MaxBodyBytes + 1), new string('y', EventOutbox.MaxBodyBytes));
        var drain = CreateDrain();
        await drain.StepAsync(default);
        await drain.StepAsync(default);

        Assert.Equal([2, EventOutbox.MaxBodyBytes], Bodies().Select(body => body.Length));
    }

    [Fact]
    public async Task An_event_has_the_properties_and_the_partition_of_its_device()
    {
        await _store.Database.WriteAsync(
            session => _outbox.Add(
                session, ChangeEvent.TwinReplaced(RegistryHarness.Id("dev-1/mod-1"), At, Encoding.UTF8.GetBytes("{}"), "dtmi:a:b;1")),
            default);
        await CreateDrain().StepAsync(default);

        var (partition, message) = Assert.Single(_events.Events);
        Assert.Equal(Nave.Protocol.Messages.PartitionOfDevice.Of("dev-1", 4), partition.Partition);
        Assert.Equal("application/json", message.Properties.ContentType);
        Assert.Equal("utf-8", message.Properties.ContentEncoding);
        Assert.Equal("plant"u8.ToArray(), message.Properties.UserId);
        Assert.NotEmpty(message.Properties.CorrelationId);
        Assert.Equal("dev-1", Annotation(message, "iothub-connection-device-id"));
        Assert.Equal("mod-1", Annotation(message, "iothub-connection-module-id"));
        Assert.Equal("twinChangeEvents", Annotation(message, "iothub-message-source"));
        Assert.Equal("dtmi:a:b;1", Annotation(message, "dt-dataschema"));
        Assert.Equal("twinChangeNotification", message.ApplicationProperties["iothub-message-schema"]);
        Assert.Equal("replaceTwin", message.ApplicationProperties["opType"]);
        Assert.Equal("plant", message.ApplicationProperties["hubName"]);
        Assert.Equal("dev-1", message.ApplicationProperties["deviceId"]);
        Assert.Equal("mod-1", message.ApplicationProperties["moduleId"]);
        Assert.Equal("2026-05-04T12:00:00.1234567Z", message.ApplicationProperties["operationTimestamp"]);
    }

    private static object? Annotation(Message message, string name) => message.MessageAnnotations[new Symbol(name)];

    private static ChangeEvent Change(string body) =>
        ChangeEvent.TwinUpdated(RegistryHarness.Id("dev-1"), At, Encoding.UTF8.GetBytes(body));

    private OutboxDrain CreateDrain() => new(
        _store.Database,
        _outbox,
        new ChangeEventEncoding(new HubNames("plant.example", []), _streams),
        _events,
        _time,
        _loggers.CreateLogger<OutboxDrain>());

    private Task AddAsync(params string[] bodies) => _store.Database.WriteAsync(
        session =>
        {
            foreach (var body in bodies)
            {
                _outbox.Add(session, Change(body));
            }
        },
        default);

    private Task<List<OutboxEvent>> TakeAsync(int maxRows, int maxBytes) =>
        _store.Database.WriteAsync(session => EventOutbox.Take(session, 0, maxRows, maxBytes), default);

    private Task<long?> CountAsync() => _store.Database.ReadAsync(session => session.Number("SELECT COUNT(*) FROM outbox"), default);

    private IEnumerable<string> Bodies() => _events.Events.Select(e => Encoding.UTF8.GetString((byte[])e.Message.Body));
}
