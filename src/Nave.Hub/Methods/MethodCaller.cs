using System.Text.Json;
using Microsoft.Extensions.Hosting;
using Nave.Hub.Devices;
using Nave.Hub.Monitoring;
using Nave.Hub.Quotas;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Methods;

/// <summary>
/// The service side of direct methods, for every path that a back end has (REST, jobs, digital twin commands): finds the
/// device or waits for it, asks it, and waits for its answer. The wait is here and holds nobody's turn.
/// </summary>
internal sealed class MethodCaller(
    DeviceRegistry registry,
    IDeviceDirectory directory,
    IMethodRoute route,
    MethodCalls calls,
    MethodOptions options,
    NodeIncarnation node,
    HubMetrics metrics,
    HubMeter meter,
    TimeProvider time,
    IHostApplicationLifetime lifetime)
{
    // Node's own deadline is the sum of both timeouts exactly: ours must be told before it (spec/service-rest.md 7).
    private static readonly TimeSpan AnswerMargin = TimeSpan.FromMilliseconds(500);

    // spec/messaging-semantics.md 3.2; the day's blocks may be smaller, the meter of the rate is not.
    private const int ThrottleBlockBytes = 4096;

    /// <summary>Calls a method; the device's answer, or why there is none.</summary>
    public async ValueTask<Outcome<DirectMethodResponse>> InvokeAsync(IdentityId id, DirectMethodRequest request, CancellationToken stopping)
    {
        var begun = time.GetTimestamp();
        var outcome = await CheckAndRunAsync(id, request, begun, stopping);
        metrics.MethodCalled(outcome.Failure?.Code.ToString() ?? "Answered", time.GetElapsedTime(begun));
        return outcome;
    }

    private async ValueTask<Outcome<DirectMethodResponse>> CheckAndRunAsync(
        IdentityId id, DirectMethodRequest request, long begun, CancellationToken stopping)
    {
        // 1. What is asked.
        if (FindFault(request) is { } fault)
        {
            return fault;
        }

        // 2. Of whom. A disabled device looks like an unknown one (spec/service-rest.md 7).
        if (await registry.FindAsync(id, stopping) is not { IsEnabled: true })
        {
            return id.IsModule ? HubFailures.ModuleNotFound : HubFailures.DeviceNotFound;
        }

        // 3. Its turn.
        if (await meter.PassAsync(Metered.Methods, id, stopping, cost: Math.Max(1, (request.Payload.Length + ThrottleBlockBytes - 1) / ThrottleBlockBytes)) is { } throttled)
        {
            return throttled;
        }

        meter.Charge(Metered.Methods, request.Payload.Length);

        // 4. A place among those that wait.
        if (!calls.Open(id, request.Payload.Length).TryGet(out var call, out var failure))
        {
            return failure;
        }

        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stopping, lifetime.ApplicationStopping);
        try
        {
            return await RunAsync(call, request, begun, ending.Token);
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested && !stopping.IsCancellationRequested)
        {
            return HubFailures.Unavailable;
        }
        finally
        {
            calls.Close(call);
        }
    }

    private HubFailure? FindFault(DirectMethodRequest request) =>
        MethodNames.FindFault(request.MethodName)
        ?? FindFault("responseTimeoutInSeconds", request.ResponseTimeout, MethodOptions.MinResponseTimeout, options.MaxResponseTimeout)
        ?? FindFault("connectTimeoutInSeconds", request.ConnectTimeout, TimeSpan.Zero, options.MaxConnectTimeout)
        ?? (request.Payload.Length <= options.MaxPayloadBytes ? null
            : HubFailures.MessageTooLarge.Saying($"The payload has {request.Payload.Length} bytes, {options.MaxPayloadBytes} are allowed."));

    private static HubFailure? FindFault(string name, TimeSpan value, TimeSpan least, TimeSpan most) => value >= least && value <= most
        ? null
        : HubFailures.ArgumentInvalid.Saying($"{name} is {value.TotalSeconds}, from {least.TotalSeconds} to {most.TotalSeconds} is allowed.");

    private async ValueTask<Outcome<DirectMethodResponse>> RunAsync(
        PendingMethod call, DirectMethodRequest request, long begun, CancellationToken ending)
    {
        SessionName? gone = null;
        while (true)
        {
            // 5. A session that takes methods, now or within the connect timeout.
            if (await FindSessionAsync(call, gone, request.ConnectTimeout - time.GetElapsedTime(begun), ending) is not { } session)
            {
                return HubFailures.DeviceNotOnline.Saying("Timed out waiting for device to connect.");
            }

            // 6. Its word.
            var left = request.ConnectTimeout + request.ResponseTimeout - AnswerMargin - time.GetElapsedTime(begun);
            var outcome = await AskAsync(call, session, request, left < request.ResponseTimeout ? left : request.ResponseTimeout, ending);
            switch (outcome?.Kind)
            {
                case null:
                    return HubFailures.GatewayTimeout.Saying("Timed out waiting for the response from device.");
                case MethodOutcomeKind.Answered:
                    meter.Charge(Metered.Methods, outcome.Value.Payload.Length);
                    return ReadAnswer(outcome.Value);
                case MethodOutcomeKind.Lost:
                    return HubFailures.DeviceConnectionClosed;
                case MethodOutcomeKind.NotTaken:
                    return HubFailures.DeviceNotOnline.Saying("The device is connected and does not take the method.");
                case MethodOutcomeKind.NeverAsked:
                    gone = session; // Nothing was asked, so nothing is done twice.
                    break;
            }
        }
    }

    private async ValueTask<SessionName?> FindSessionAsync(PendingMethod call, SessionName? gone, TimeSpan patience, CancellationToken ending)
    {
        var actor = directory.Of(call.Id);
        if (patience <= TimeSpan.Zero)
        {
            return await actor.FindMethodSessionAsync(waiter: null, gone);
        }

        var waiter = new MethodWaiter(node.Id, call.RequestId);
        var ready = call.ExpectReadyAsync();
        if (await actor.FindMethodSessionAsync(waiter, gone) is { } session)
        {
            return session;
        }

        try
        {
            return await ready.WaitAsync(patience, time, ending);
        }
        catch (TimeoutException)
        {
            return null;
        }
        finally
        {
            await actor.StopWaitingForMethodsAsync(waiter);
        }
    }

    /// <returns>Null when the device said nothing in time.</returns>
    private async ValueTask<MethodOutcome?> AskAsync(
        PendingMethod call, SessionName session, DirectMethodRequest request, TimeSpan patience, CancellationToken ending)
    {
        var outcome = call.ExpectOutcomeAsync(session);
        var waiting = outcome.WaitAsync(patience > TimeSpan.Zero ? patience : TimeSpan.Zero, time, ending);
        route.Invoke(session, new MethodInvocation(call.RequestId, node.Id, request.MethodName, request.Payload));
        try
        {
            return await waiting;
        }
        catch (TimeoutException)
        {
            return null;
        }
        finally
        {
            if (!outcome.IsCompleted)
            {
                route.Forget(session, call.RequestId);
            }
        }
    }

    private Outcome<DirectMethodResponse> ReadAnswer(MethodOutcome outcome) =>
        outcome.Payload.IsEmpty ? new DirectMethodResponse(outcome.Status, "null"u8.ToArray())
        : outcome.Payload.Length > options.MaxPayloadBytes || !IsJson(outcome.Payload.Span) ? HubFailures.BadDeviceResponse
        : new DirectMethodResponse(outcome.Status, outcome.Payload);

    private static bool IsJson(ReadOnlySpan<byte> payload)
    {
        var reader = new Utf8JsonReader(payload);
        try
        {
            while (reader.Read())
            {
            }

            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
