using Amqp;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;
using Nave.Protocol.Messages;

namespace Nave.PskGateway.Upstream;

/// <summary>
/// A device's session on a connection that many share: the telemetry link from the start, as the C# SDK has it, the others
/// when they are wanted (spec/device-amqp.md 4.3). The loss of any link ends the device, and only this one.
/// </summary>
internal sealed class HubDevice : IHubDevice
{
    private const int Opening = 0;
    private const int Open = 1;
    private const int Closing = 2;

    private readonly UpstreamContext _context;
    private readonly HubConnection _connection;
    private readonly IHubDeviceEvents _events;
    private readonly Action<HubFailure> _onRefused;
    private readonly string _path;
    private readonly Session _session;
    private readonly TelemetrySender _telemetry;
    private readonly TwinClient _twin;
    private readonly MethodServer _methods;
    private readonly CancellationTokenSource _closing = new();
    private readonly TaskCompletionSource _gone = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // One link is opened or dropped at a time.
    private readonly SemaphoreSlim _links = new(1);

    // One event at a time, the end last. Never held while the engine is called.
    private readonly Lock _telling = new();
    private CommandReceiver? _commands;
    private int _generations;
    private bool _isTwinOpen;
    private bool _hasMethods;
    private HubFailure? _reason;
    private int _state = Opening;

    private HubDevice(
        UpstreamContext context, HubConnection connection, DeviceId id, IHubDeviceEvents events, Action<HubFailure> onRefused)
    {
        _context = context;
        _connection = connection;
        _events = events;
        _onRefused = onRefused;
        Id = id;
        _path = PathOf(id);
        _twin = new TwinClient(context, (patch, version) => Tell(() => _events.DesiredChanged(patch, version)));
        _methods = new MethodServer(context, call => Tell(() => _events.MethodCalled(call)));
        _session = connection.BeginSession();
        _telemetry = new TelemetrySender(_session, _path, context, OnLost);
    }

    /// <summary>Whose it is.</summary>
    public DeviceId Id { get; }

    /// <summary>Completes when everything of it has ended.</summary>
    public Task Gone => _gone.Task;

    /// <summary>Opens a device on an open connection.</summary>
    public static async Task<Outcome<HubDevice>> OpenAsync(
        UpstreamContext context, HubConnection connection, DeviceId id, IHubDeviceEvents events, CancellationToken stopping)
    {
        HubDevice? device = null;
        Action<HubFailure> onRefused = refusal => device?.OnLost(refusal);
        HubFailure? failure;
        try
        {
            failure = await connection.AuthorizeAsync(PathOf(id), onRefused, stopping);
            if (failure is null)
            {
                device = new HubDevice(context, connection, id, events, onRefused);
                failure = await device.BeginAsync().WaitAsync(context.Options.AnswerTimeout, context.Time, stopping) ?? device.TryOpen();
            }
        }
        catch (Exception e) when (HubErrors.IsConnectFailure(e))
        {
            failure = HubErrors.Lost(e.Message);
        }

        if (failure is null)
        {
            return device!; // Made, or there were a failure.
        }

        if (device is null)
        {
            connection.Unauthorize(PathOf(id), onRefused);
        }
        else
        {
            await device.CloseAsync(failure, isTold: false);
        }

        return failure;
    }

    /// <inheritdoc/>
    public async ValueTask<SendResult> SendTelemetryAsync(MessageProperties properties, ReadOnlyMemory<byte> body, CancellationToken stopping) =>
        HubErrors.ToSendResult(await _telemetry.SendAsync(properties, body, stopping));

    /// <inheritdoc/>
    public ValueTask<bool> StartCommandsAsync(int window, CancellationToken stopping) => ChangeAsync(
        async () =>
        {
            if (_commands is not null)
            {
                return null;
            }

            var commands = new CommandReceiver(
                _session, _path, _generations++, command => Tell(() => _events.Command(command)), OnLost);
            _commands = commands;
            if (await commands.Attached is { } failure)
            {
                return failure;
            }

            commands.Start(window);
            return null;
        },
        stopping);

    /// <inheritdoc/>
    public async ValueTask StopCommandsAsync(CancellationToken stopping) => await ChangeAsync(
        () =>
        {
            Interlocked.Exchange(ref _commands, null)?.Drop();
            return Task.FromResult<HubFailure?>(null);
        },
        stopping);

    /// <inheritdoc/>
    public ValueTask<bool> CompleteCommandAsync(string token, CommandOutcome outcome, CancellationToken stopping) =>
        new(_commands is { } commands && commands.Settle(token, outcome));

    /// <inheritdoc/>
    public async ValueTask<TwinAnswer> GetTwinAsync(CancellationToken stopping) =>
        await OpenTwinAsync(stopping) ? await _twin.GetAsync(stopping) : TwinClient.Nothing;

    /// <inheritdoc/>
    public async ValueTask<TwinAnswer> PatchReportedAsync(ReadOnlyMemory<byte> patch, CancellationToken stopping) =>
        await OpenTwinAsync(stopping) ? await _twin.PatchAsync(patch, stopping) : TwinClient.Nothing;

    /// <inheritdoc/>
    public async ValueTask<bool> StartDesiredAsync(CancellationToken stopping) =>
        await OpenTwinAsync(stopping) && await _twin.WatchAsync(stopping) is { Status: >= 200 and < 300 };

    /// <inheritdoc/>
    public ValueTask<bool> StartMethodsAsync(CancellationToken stopping) => ChangeAsync(
        async () =>
        {
            var failure = _hasMethods ? null : await _methods.OpenAsync(_session, _path, OnLost);
            _hasMethods |= failure is null;
            return failure;
        },
        stopping);

    /// <inheritdoc/>
    public async ValueTask StopMethodsAsync(CancellationToken stopping) => await ChangeAsync(
        () =>
        {
            _methods.Drop();
            _hasMethods = false;
            return Task.FromResult<HubFailure?>(null);
        },
        stopping);

    /// <inheritdoc/>
    public ValueTask<bool> AnswerMethodAsync(string requestId, int status, ReadOnlyMemory<byte> payload, CancellationToken stopping) =>
        new(
        Volatile.Read(ref _state) == Open && (!Guid.TryParse(requestId, out var id) || _methods.Answer(id, status, payload)));

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await CloseAsync(HubErrors.Lost("The device has left."), isTold: false);

    /// <summary>Ends it if the hub has left its messages without an outcome for too long.</summary>
    public void CloseIfStalled()
    {
        if (_telemetry.HasStalled)
        {
            OnLost(HubErrors.Lost("The hub left messages without an outcome."));
        }
    }

    /// <summary>Ends it. Completes when it has ended, whoever began.</summary>
    /// <param name="reason">What everything under way ends with.</param>
    /// <param name="isTold">Whether the device hears of it.</param>
    public async Task CloseAsync(HubFailure reason, bool isTold)
    {
        var before = Interlocked.Exchange(ref _state, Closing);
        if (before != Closing)
        {
            _reason = reason;
            await EndAsync(reason, isTold && before == Open); // Who waits for the opening gets the reason from it.
        }

        await Gone;
    }

    private static string PathOf(DeviceId id) => "/devices/" + Uri.EscapeDataString(id.Value);

    // Not before the device is whole: its end may come at once.
    private Task<HubFailure?> BeginAsync()
    {
        _session.AddClosedCallback((_, error) => OnLost(HubErrors.Of(error)));
        return _telemetry.BeginAsync();
    }

    private HubFailure? TryOpen() =>
        Interlocked.CompareExchange(ref _state, Open, Opening) == Opening ? null : _reason ?? HubErrors.Lost("The link went at once.");

    private async Task EndAsync(HubFailure reason, bool isTold)
    {
        await Task.Yield(); // Off the engine's locks.
        try
        {
            await _closing.CancelAsync();
            _telemetry.Close(reason);
            _twin.Close();
            _connection.Unauthorize(_path, _onRefused);
            EndSession();
            lock (_telling)
            {
                if (isTold)
                {
                    _events.Closed(HubErrors.ToClosing(reason));
                }
            }
        }
        finally
        {
            _gone.TrySetResult();
        }
    }

    private void EndSession()
    {
        try
        {
            _session.Close(TimeSpan.Zero);
        }
        catch (Exception e) when (HubErrors.IsClosed(e))
        {
            // It went first.
        }
    }

    // Perhaps under the engine's locks.
    private void OnLost(HubFailure reason) => _ = CloseAsync(reason, isTold: true); // Never fails.

    private void Tell(Action tell)
    {
        lock (_telling)
        {
            if (Volatile.Read(ref _state) == Open)
            {
                tell();
            }
        }
    }

    private async ValueTask<bool> OpenTwinAsync(CancellationToken stopping) => _isTwinOpen || await ChangeAsync(
        async () =>
        {
            var failure = _isTwinOpen ? null : await _twin.OpenAsync(_session, _path, OnLost);
            _isTwinOpen |= failure is null;
            return failure;
        },
        stopping);

    /// <summary>Changes the links in turn; a link that is not answered in time ends the device.</summary>
    private async ValueTask<bool> ChangeAsync(Func<Task<HubFailure?>> change, CancellationToken stopping)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stopping, _closing.Token);
        try
        {
            await _links.WaitAsync(either.Token);
        }
        catch (OperationCanceledException)
        {
            return false;
        }

        try
        {
            return await change().WaitAsync(_context.Options.AnswerTimeout, _context.Time, either.Token) is null;
        }
        catch (Exception e) when (HubErrors.IsConnectFailure(e))
        {
            // Half open: which links there are is not known any more.
            OnLost(HubErrors.Lost(e.Message));
            return false;
        }
        finally
        {
            _links.Release();
        }
    }
}
