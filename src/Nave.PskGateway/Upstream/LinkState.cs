using Amqp;
using Amqp.Framing;
using Nave.Protocol.Errors;

namespace Nave.PskGateway.Upstream;

/// <summary>What has become of a link that was asked for. Any thread; calls of the engine may come under its locks.</summary>
/// <param name="onLost">Called when the link ends and was not dropped.</param>
internal sealed class LinkState(Action<HubFailure>? onLost = null)
{
    private readonly TaskCompletionSource<HubFailure?> _attached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _isDropped;

    /// <summary>Completes with null when the hub has attached the link, with why not when it has refused.</summary>
    public Task<HubFailure?> Attached => _attached.Task;

    /// <summary>The hub has answered; without a terminus it is a refusal whose reason follows in a DETACH (spec/device-amqp.md 4.4).</summary>
    public void OnAttached(ILink link, Attach answer)
    {
        // The role is the hub's.
        if (answer.Role ? answer.Target is not null : answer.Source is not null)
        {
            _attached.TrySetResult(null);
        }
    }

    /// <summary>Hears of the link's end.</summary>
    public void Follow(Link link) => link.AddClosedCallback((_, error) =>
    {
        var failure = HubErrors.Of(error);
        _attached.TrySetResult(failure);
        if (!_isDropped)
        {
            onLost?.Invoke(failure);
        }
    });

    /// <summary>The link is not wanted any more: its end is no loss.</summary>
    public void Drop(Link link)
    {
        _isDropped = true;
        try
        {
            link.Close(TimeSpan.Zero);
        }
        catch (Exception e) when (HubErrors.IsClosed(e))
        {
            // It went first.
        }
    }
}
