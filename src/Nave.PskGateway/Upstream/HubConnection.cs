using Amqp;
using Microsoft.Extensions.Logging;
using Nave.Protocol.Errors;

namespace Nave.PskGateway.Upstream;

/// <summary>
/// One AMQP connection to the hub: TLS, OPEN without SASL as the device SDKs do it, and a token of the policy. Opened once,
/// never again: what is lost is replaced by another. Which devices it carries is the pool's business.
/// </summary>
internal sealed partial class HubConnection(UpstreamContext context) : IAsyncDisposable
{
    // What the C# SDK asks for (spec/device-amqp.md 1).
    private const int MaxFrameBytes = 65_536;

    // A hub that is silent for so long is gone. The engine halves it on the wire: a minute, half of what the C# SDK asks for.
    private const int IdleMilliseconds = 120_000;

    // A device that has left keeps its channel until the hub has answered its END.
    private const ushort MaxSessions = 8_192;
    private static readonly TimeSpan Goodbye = TimeSpan.FromSeconds(5);

    private readonly TaskCompletionSource<HubFailure> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _stopping = new();
    private HubTransport? _transport;
    private Connection? _connection;
    private TokenKeeper? _tokens;
    private Task _renewing = Task.CompletedTask;

    /// <summary>Completes when the connection is over, with why.</summary>
    public Task<HubFailure> Ended => _ended.Task;

    /// <summary>Opens it.</summary>
    /// <returns>Why it could not be opened, or null.</returns>
    public async Task<HubFailure?> OpenAsync()
    {
        var options = context.Options;
        using var timer = new CancellationTokenSource(options.ConnectTimeout, context.Time);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, _stopping.Token);
        HubFailure? failure;
        try
        {
            _connection = await ConnectAsync(deadline.Token);
            _connection.AddClosedCallback((_, error) => End(HubErrors.Lost(error?.Description ?? "The hub closed the connection.")));
            var cbs = new CbsLinks(new Session(_connection), context.Time);
            _tokens = new TokenKeeper(cbs, context.Policy, options, context.Time, context.Logger);
            failure = await cbs.OpenAsync().WaitAsync(deadline.Token)
                ?? (options.UsesDeviceTokens ? null : await _tokens.HoldAsync("", OnPolicyRefused, deadline.Token));
        }
        catch (Exception e) when (HubErrors.IsConnectFailure(e))
        {
            failure = HubErrors.Lost(timer.IsCancellationRequested ? "The hub did not answer in time." : e.Message);
        }

        if (failure is null)
        {
            _renewing = _tokens!.RunAsync(_stopping.Token);
            Log.Opened(context.Logger, context.Address.HostName);
            return null;
        }

        if (failure.HttpStatus < 500)
        {
            Log.PolicyRefused(context.Logger, context.Policy.Name, failure.Code, failure.Detail);
        }

        // Whatever the hub says of the policy is no fault of a device: it may come again.
        failure = HubErrors.Lost(failure.Detail ?? failure.Message);
        Abort(failure);
        return failure;
    }

    /// <summary>Puts the token that the device's links stand on, if it needs one of its own.</summary>
    public async Task<HubFailure?> AuthorizeAsync(string path, Action<HubFailure> onRefused, CancellationToken stopping) =>
        context.Options.UsesDeviceTokens && _tokens is { } tokens ? await tokens.HoldAsync(path, onRefused, stopping) : null;

    /// <summary>The device has left: its token may end, if it is still the one it brought.</summary>
    public void Unauthorize(string path, Action<HubFailure> onRefused) => _tokens?.Drop(path, onRefused);

    /// <summary>Begins a session.</summary>
    /// <exception cref="AmqpException">The connection is over.</exception>
    public Session BeginSession() => new(_connection!); // Only devices of an opened connection begin one.

    /// <summary>Breaks it off at once.</summary>
    public void Abort(HubFailure reason)
    {
        _transport?.Close();
        End(reason);
    }

    /// <summary>Says goodbye to the hub.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _renewing;
        try
        {
            if (_connection is { } connection)
            {
                await connection.CloseAsync(Goodbye, null);
            }
        }
        catch (Exception e) when (HubErrors.IsConnectFailure(e))
        {
            // Gone already, or the hub does not answer.
        }

        Abort(HubErrors.Lost("The gateway closed the connection."));
    }

    private async Task<Connection> ConnectAsync(CancellationToken deadline)
    {
        var provider = new HubTransportProvider(context.Address, deadline);
        var factory = new ConnectionFactory([provider]);
        factory.AMQP.ContainerId = context.NewId().ToString("D");
        factory.AMQP.HostName = context.Address.HostName;
        factory.AMQP.MaxFrameSize = MaxFrameBytes;
        factory.AMQP.MaxSessionsPerConnection = MaxSessions;
        factory.AMQP.IdleTimeout = IdleMilliseconds;
        try
        {
            return await factory.CreateAsync(
                new Address(context.Address.ConnectTo, context.Address.Port, null, null, "/", "amqps"), deadline);
        }
        finally
        {
            _transport = provider.Opened;
        }
    }

    private void OnPolicyRefused(HubFailure failure)
    {
        Log.PolicyRefused(context.Logger, context.Policy.Name, failure.Code, failure.Detail);
        Abort(HubErrors.Lost(failure.Detail ?? failure.Message));
    }

    private void End(HubFailure reason) => _ended.TrySetResult(reason); // Perhaps under the engine's locks.

    private static partial class Log
    {
        [LoggerMessage(9252, LogLevel.Information, "AMQP connection to the hub {HostName} opened")]
        public static partial void Opened(ILogger logger, string hostName);

        [LoggerMessage(9253, LogLevel.Warning, "The hub does not take policy {Policy}: {ErrorCode}, {Detail}")]
        public static partial void PolicyRefused(ILogger logger, string policy, HubErrorCode errorCode, string? detail);
    }
}
