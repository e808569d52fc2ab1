using Amqp.Framing;
using Microsoft.Extensions.Logging;
using Nave.Hub.Faults;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// The link on which a module waits for messages to its inputs. A hub's routes lead to no module, a field gateway's do
/// (spec/device-mqtt.md 7): the link is there, as module clients expect, and stays silent.
/// </summary>
internal sealed class InputsLink(LinkRequest request, ConnectedDevice device, ILogger logger) : QueuedLink(request, logger), IDeviceLink
{
    private readonly LinkRequest _request = request;

    /// <summary>Accepts the link. It lives on its device from then on.</summary>
    public void Accept()
    {
        if (!device.TryJoin(this))
        {
            _request.Refuse(device.Error);
            return;
        }

        _request.AcceptSender(this, _request.Attach.Source as Source);
        _ = RunAsync(); // Ends with the link, never fails.
    }

    /// <inheritdoc/>
    public bool EndsWith(FaultKind fault) => false;

    /// <inheritdoc/>
    protected override void OnClosed() => device.Leave(this);
}
