using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using Nave.Hub.Commands;
using Nave.Hub.Devices;
using Nave.Hub.Faults;
using Nave.Hub.Methods;
using Nave.Hub.Twins;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>
/// The way from the hub to an MQTT client. Closing wakes the connection's loop, whatever it waits for; the first reason
/// stands. Any thread may call.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "The source holds neither timer nor handle, and a late Close may still come.")]
internal sealed class MqttChannel(PipeReader input, SocketReset reset = default) : IDeviceChannel
{
    private const int Open = -1;

    private CancellationTokenSource? _closing; // Only while somebody waits for it.
    private int _reason = Open;

    /// <summary>Why the connection must end, or null.</summary>
    public CloseReason? Reason => Volatile.Read(ref _reason) is var reason and not Open ? (CloseReason)reason : null;

    /// <summary>Cancelled when there is a <see cref="Reason"/>. For the loop's waits other than reading.</summary>
    public CancellationToken Closing
    {
        get
        {
            // Made first, looked second, and the other way round in Close: one of the two sees the other.
            var closing = Volatile.Read(ref _closing) ?? new CancellationTokenSource();
            closing = Interlocked.CompareExchange(ref _closing, closing, null) ?? closing;
            if (Reason is not null)
            {
                closing.Cancel();
            }

            return closing.Token;
        }
    }

    /// <summary>For an idle connection: nobody holds a token of <see cref="Closing"/> now. For the loop.</summary>
    public void RestClosing()
    {
        Interlocked.Exchange(ref _closing, null);
    }

    /// <summary>Takes commands; set before the session grants any.</summary>
    public Action<CommandDelivery> OnDeliver { get; set; } =
        static _ => throw new UnreachableException("A command came before the session granted any.");

    /// <summary>Takes desired changes; set before the session watches any.</summary>
    public Action<DesiredChange> OnDesiredChanged { get; set; } =
        static _ => throw new UnreachableException("A desired change came before the session watched any.");

    /// <summary>Takes direct methods; set before the session watches any.</summary>
    public Action<MethodInvocation> OnInvokeMethod { get; set; } =
        static _ => throw new UnreachableException("A direct method came before the session watched any.");

    /// <inheritdoc/>
    public void Deliver(CommandDelivery delivery) => OnDeliver(delivery);

    /// <inheritdoc/>
    public void DesiredChanged(DesiredChange change) => OnDesiredChanged(change);

    /// <inheritdoc/>
    public void InvokeMethod(MethodInvocation invocation) => OnInvokeMethod(invocation);

    /// <inheritdoc/>
    public void Close(CloseReason reason)
    {
        if (Interlocked.CompareExchange(ref _reason, (int)reason, Open) is Open)
        {
            Volatile.Read(ref _closing)?.Cancel();
            input.CancelPendingRead();
        }
    }

    /// <inheritdoc/>
    public void Inject(FaultKind fault, string reason)
    {
        switch (fault)
        {
            case FaultKind.KillTcp:
                reset.Invoke();
                break;
            case FaultKind.ShutDownMqtt:
                Close(CloseReason.Forced);
                break;
            default:
                break; // A link or session that MQTT does not have.
        }
    }
}
